"""Products and small models with warm and cold operands on one CPU thread, against what a profile predicts.

    python benchmarks/operands.py --profile mine.json --seed 7 -o operands.json

Products have sides that are drawn log-uniformly from 32 to 2,048, which no suite of ``simcore calibrate`` measures.
Each is timed in several passes, cold and warm, as the calibration times, whose merged passes a profile predicts. Steps
are whole: forward, loss, backward and Adam. What they free is kept, see `keep_memory`. The file holds every
time with its prediction, the date and the load of the machine. The table on standard output has the error that was seen
beside the error that was expected.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from simcore.calibrate.measure.allocator import keep_memory
from simcore.calibrate.measure.passes import merge
from simcore.calibrate.measure.timing import time_case
from simcore.calibrate.plan import BUDGET, PASSES, REPEATS
from simcore.calibrate.suites.gemm import product
from simcore.models.compute.expected import class_name, size_class
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import KernelProfile, Sample, State
from simcore.models.training.architecture import Batch
from simcore.models.training.layered_model import LayeredModel, LayerEntry, LayerKind
from simcore.models.training.lowering import lower_on_profile
from simcore.models.training.workload import Workload
from simcore.readers.models import read_model
from simcore.readers.profiles import read_profile
from simcore.real.registry import build, sample_input
from simcore.studies.rates.run import minibatch_seconds
from torch import nn

SIDES = 32, 2048
FORMATS = "fp32", "bf16"
STATES: tuple[State, ...] = ("cold", "warm")
WARM_UP = 5


def products(profile: KernelProfile, shapes: int, passes: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the measured and the predicted time of random products, the passes of each merged as a calibration does."""
    chance = random.Random(seed)
    drawn = [tuple(round(math.exp(chance.uniform(*map(math.log, SIDES)))) for _ in "mnk") for _ in range(shapes)]
    keys = [(sizes, dtype, state) for sizes in drawn for dtype in FORMATS for state in STATES]
    times: dict[Any, list[Sample]] = {key: [] for key in keys}
    for _ in range(passes):
        for sizes, dtype, state in keys:
            cold, warm = product("cpu", dtype, *sizes).in_both()
            one = time_case(warm if state == "warm" else cold, "cpu", REPEATS[False], BUDGET[False])
            times[sizes, dtype, state].append(one)
    for (sizes, dtype, state), each in times.items():
        shape = dict(zip("mnk", sizes, strict=True))
        said = predict(profile, "gemm", dtype, shape, state=state, extrapolate=True)
        seen = merge(each).seconds
        yield {
            "dtype": dtype, "state": state, **shape, "measured_s": seen, "predicted_s": said.seconds,
            "expected_error": said.error, "error": said.seconds / seen - 1, "passes_s": [one.seconds for one in each],
        }  # fmt: skip


def classes(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the mean error that was seen and the mean that was expected, by state, format and size class."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["state"], row["dtype"], size_class(row["measured_s"])), []).append(row)
    for (state, dtype, number), each in sorted(groups.items()):
        seen = statistics.fmean(abs(row["error"]) for row in each)
        expected = statistics.fmean(row["expected_error"] for row in each)
        bias = statistics.fmean(row["error"] for row in each)
        yield {
            "state": state, "dtype": dtype, "size": class_name(number), "products": len(each), "mape": seen,
            "bias": bias, "expected": expected, "expected / seen": expected / seen,
        }  # fmt: skip


def steps(profile: KernelProfile, count: int, passes: int) -> Iterator[dict[str, Any]]:
    """Yield the measured and the predicted time of a training step of small models, which take turns in each pass."""
    made = _neumf(profile), _bert(profile), _mlp(profile)
    times: dict[str, list[Sample]] = {name: [] for name, _, _ in made}
    for _ in range(passes):
        for name, _, step in made:
            seconds = []
            for _ in range(WARM_UP + count):
                started = time.thread_time()
                step()
                seconds.append(time.thread_time() - started)
            times[name].append(Sample(name, "fp32", {}, statistics.median(seconds[WARM_UP:])))
    for name, workload, _ in made:
        seen, said = merge(times[name]), minibatch_seconds(workload)
        yield {
            "model": name, "measured_s": seen.seconds, "spread": seen.spread, "predicted_s": said,
            "error": said / seen.seconds - 1, "passes_s": list(seen.passes),
        }  # fmt: skip


Made = tuple[str, Workload, Callable[[], None]]


def _neumf(profile: KernelProfile) -> Made:
    entry, batch = read_model("neumf").value, 256
    workload = lower_on_profile(entry.architecture, entry.run(batch=batch), 1, 1, profile)
    inputs, answers = sample_input("neumf", batch), torch.rand(batch, 1)
    return f"NeuMF, batch {batch}", workload, _step(build("neumf"), inputs, answers, nn.BCELoss())


def _bert(profile: KernelProfile) -> Made:
    entry, tokens = read_model("bert-base").value, 32
    workload = lower_on_profile(entry.architecture, entry.run(sequence=tokens, batch=1), 1, 1, profile)
    from bert_step import Bert

    module = Bert(entry.architecture, tokens)
    rows, columns = entry.architecture.vocabulary, entry.architecture.columns
    inputs, answers = torch.randint(rows, (1, tokens)), torch.randint(columns, (1, tokens))

    def loss(output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(output.flatten(0, 1), wanted.flatten())

    return "BERT base, 1 x 32 tokens", workload, _step(module, inputs, answers, loss)


def _mlp(profile: KernelProfile) -> Made:
    width, depth, batch = 128, 4, 64
    layers = [LayerEntry(LayerKind.LINEAR, f"linear{n}", {"out": width, "bias": 1}) for n in range(depth)]
    relus = [LayerEntry(LayerKind.RELU, f"relu{n}") for n in range(depth - 1)]
    entries = [one for pair in zip(layers, relus, strict=False) for one in pair]
    last = LayerEntry(LayerKind.CROSS_ENTROPY, "loss")
    model = LayeredModel("mlp", width, 1, 1, (*entries, layers[-1], last))
    workload = lower_on_profile(model, Batch(1, batch, element=4), 1, 1, profile)
    made: list[nn.Module] = []
    for _ in range(depth):
        made += [nn.Linear(width, width), nn.ReLU()]
    inputs, answers = torch.randn(batch, width), torch.randint(width, (batch,))
    return f"MLP, {depth} layers of {width}, batch {batch}", workload, _step(
        nn.Sequential(*made[:-1]), inputs, answers, nn.CrossEntropyLoss()
    )  # fmt: skip


def _step(module: nn.Module, inputs: Any, answers: Any, loss: Callable[..., torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(module.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(module(inputs), answers).backward()
        optimizer.step()

    return step


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--profile", default="cpu-xeon")
    ask.add_argument("--shapes", type=int, default=200)
    ask.add_argument("--passes", type=int, default=PASSES)
    ask.add_argument("--steps", type=int, default=5)
    ask.add_argument("--seed", type=int, default=7)
    ask.add_argument("-o", "--output", type=Path)
    given = ask.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_memory()
    profile = read_profile(given.profile).value
    about = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"), "load": os.getloadavg()[0],
        "torch": torch.__version__, "profile": profile.name, "sha256": profile.sha256, "seed": given.seed,
        "passes": given.passes,
    }  # fmt: skip
    of_steps = list(steps(profile, given.steps, given.passes)) if given.steps else []
    rows = list(products(profile, given.shapes, given.passes, given.seed)) if given.shapes else []
    table = list(classes(rows))
    document = {**about, "classes": table, "steps": of_steps, "products": rows}
    if given.output is not None:
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(about))
    for row in (*table, *({key: value for key, value in one.items() if key != "passes_s"} for one in of_steps)):
        print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    main()
