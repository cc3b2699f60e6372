"""Whole training steps of models on one CPU thread, beside the steps predicted from a profile of this machine.

    python benchmarks/steps.py --profile mine.json [--models resnet50,bert] [--steps 5] [--json steps.json]

A step is forward, loss, backward and Adam's update, written as a user would write it, of the torch modules in
`simcore.real`; what a step frees is kept for the next, see `keep_memory`. Prints the median thread time of a step [s]
beside the prediction, and the mean absolute error. With ``--kernels`` torch's profiler tells the time of each kind of
kernel beside the predicted one. The exit status is 1 if the mean error is above `GOAL`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import torch  # noqa: E402 - the threads are pinned before
from simcore.calibrate.measure.allocator import keep_memory  # noqa: E402
from simcore.models.training.lowering import lower_on_profile  # noqa: E402
from simcore.models.training.workload import Workload  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.readers.profiles import read_profile  # noqa: E402
from simcore.real.registry import build, sample_input  # noqa: E402
from simcore.studies.rates.run import minibatch_seconds  # noqa: E402
from torch.nn import functional  # noqa: E402

GOAL = 0.12
"""Mean absolute relative error of the predicted steps."""

WARM_UP = 5
"""Steps that are not counted."""

BATCHES = {"neumf": 256, "shufflenetv2": 4, "swin-t": 1, "resnet50": 2, "bert": 1}
"""Samples of a step by model. Small ones come first: what larger ones leave of memory is no longer in a cache."""

KINDS = (
    ("convolution", "conv"), ("mkldnn", "conv"), ("conv2d", "conv"), ("addmm", "gemm"), ("::mm", "gemm"),
    ("bmm", "gemm"), ("batch_norm", "batch_norm"), ("layer_norm", "layer_norm"), ("softmax", "softmax"),
    ("gelu", "activations"), ("threshold", "activations"), ("clamp", "activations"), ("relu", "activations"),
    ("silu", "activations"), ("sigmoid", "activations"), ("pool", "pools"), ("adam", "adam"), ("embedding", "rows"),
    ("index", "rows"), ("bernoulli", "dropout"), ("dropout", "dropout"), ("aten::", "other"),
)  # fmt: skip
"""Kinds of kernels by what the names of torch's operators hold, the first that fits; the prediction's likewise."""


def step_of(name: str, batch: int) -> Callable[[], None]:
    """Return a training step of a model."""
    torch.manual_seed(0)
    model, inputs = build(name), sample_input(name, batch)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    answers = torch.randint(1000, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        output = model(inputs)
        if name in {"bert", "electra", "yolov3"}:  # what the list ends with
            loss = output.sum()
        elif name == "neumf":
            loss = functional.binary_cross_entropy(output[:, 0], (answers % 2).float())
        else:
            loss = functional.cross_entropy(output, answers)
        loss.backward()
        optimizer.step()

    return step


def measured(step: Callable[[], None], steps: int) -> list[float]:
    """Return thread seconds of steps after some that are not counted, in which memory finds its places."""
    taken = []
    for _ in range(steps + WARM_UP):
        started = time.thread_time()
        step()
        taken.append(time.thread_time() - started)
    return taken[WARM_UP:]


def kernels_of(step: Callable[[], None]) -> Counter[str]:
    """Return the seconds of a step by kind of kernel, as torch's profiler has them."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    spent: Counter[str] = Counter()
    for one in profiler.key_averages():
        spent[kind_of(one.key)] += one.self_cpu_time_total * 1e-6
    return spent


def kind_of(name: str) -> str:
    """Return the kind of a kernel or of torch's operator."""
    lowered = name.lower()
    return next((kind for part, kind in KINDS if part in lowered), "autograd")


def predicted_kinds(workload: Workload) -> Counter[str]:
    """Return predicted seconds by kind of kernel."""
    spent: Counter[str] = Counter()
    assert workload.times is not None  # lowered on a profile
    of = {"gemm": "gemm", "gather": "rows", "scatter": "rows"}
    for one in workload.times.costs:
        kind = of.get(one.call.kernel) or kind_of(one.call.kernel.replace("conv", "convolution", 1))
        spent["other" if kind == "autograd" else kind] += one.count * one.prediction.seconds
    return spent


def main() -> int:
    """Measure, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu-xeon", help="the profile of this machine")
    parser.add_argument("--models", default=",".join(BATCHES), help="some of %(default)s")
    parser.add_argument("--steps", type=int, default=9, help="measured steps of each")
    parser.add_argument("--kernels", action="store_true", help="tell times by kind of kernel")
    parser.add_argument("--json", metavar="PATH", help="write the numbers here too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    profile = read_profile(given.profile).value
    date, load = datetime.now(UTC).isoformat(timespec="minutes"), os.getloadavg()[0]
    print(f"{date}, load average {load:.2f}, {profile.device.name}, profile {profile.name}")
    rows = []
    for name in given.models.split(","):
        source, batch = read_model(name).value, BATCHES.get(name, 1)
        workload = lower_on_profile(source.architecture, source.run(batch=batch), 1, 1, profile)
        predicted, step = minibatch_seconds(workload), step_of(name, batch)
        seconds = measured(step, given.steps)
        middle, error = statistics.median(seconds), predicted / statistics.median(seconds) - 1
        spread = (max(seconds) - min(seconds)) / middle
        print(
            f"{name:13} batch {batch:3}: {middle:8.4f} s (spread {spread:4.0%}), "
            f"predicted {predicted:8.4f} s, {error:+.1%}"
        )
        rows.append({"model": name, "batch": batch, "measured": seconds, "predicted": predicted, "error": error})
        if given.kernels:
            seen, told = kernels_of(step), predicted_kinds(workload)
            for kind in sorted({*seen, *told}, key=lambda one: -seen[one]):
                print(f"    {kind:12} {seen[kind]:8.4f} s, predicted {told[kind]:8.4f} s")
    mape = math.fsum(abs(row["error"]) for row in rows) / len(rows)
    print(f"mean absolute error: {mape:.1%}, the goal is {GOAL:.0%}")
    if given.json:
        facts = {"date": date, "load": load, "device": profile.device.name, "profile_sha256": profile.sha256}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({**facts, "steps": rows, "mape": mape}, file, indent=1)
    return int(mape > GOAL)


if __name__ == "__main__":
    sys.exit(main())
