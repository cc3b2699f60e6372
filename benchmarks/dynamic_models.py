"""Dynamic sparse models on one CPU thread beside their predictions: whole models, dense and by PIT.

    python benchmarks/dynamic_models.py [profile] [figures, such as 8,10] [repeats]

No suite of a calibration holds the shapes and masks of these models. Each model runs densely and by `pitify`, in turns,
with attention packed as the prediction chose. Prints CPU time and prediction of every way [s], the mean absolute error,
how often the faster way was foreseen, and what the foreseen way loses.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.composed import tokens_of
from simcore.models.compute.sparse.statistics import Bars, Lengths, Routing, Window, Zeros
from simcore.models.training.architecture import Batch, Experts, Transformer
from simcore.models.training.dynamic import DynamicCase, dynamic_cases
from simcore.models.training.dynamic_times import predict_dynamic
from simcore.models.training.ways import Way
from simcore.readers.profiles import read_profile
from simcore.real.sparse import pitify
from simcore.real.sparse.choice import Choice, by_profile
from simcore.real.sparse.models import dynamic_inputs, dynamic_model
from simcore.real.sparse.products import Kernel

NOISE = 0.05
"""Relative difference below which two measured ways are a tie."""


def resized(model: Transformer, hidden: int) -> Transformer:
    """Return a model of the same kind with another width, whose heads are 64 wide."""
    around = replace(
        model.around,
        added=model.around.added // model.hidden * hidden,
        norm=hidden if model.around.norm else 0,
    )
    experts = None if model.experts is None else Experts(model.experts.count, 1, 4 * hidden)
    encoder = None if model.encoder is None else resized(model.encoder, hidden)
    heads = None if model.feed_forward is None else 4 * hidden
    return replace(model, hidden=hidden, heads=hidden // 64, around=around, experts=experts, encoder=encoder,
                   feed_forward=heads)  # fmt: skip


def cases() -> Iterator[DynamicCase]:
    """Yield models of sizes, lengths, windows and zeros that no suite has."""
    for hidden, batch, skew in ((192, 3, 0.7), (320, 5, 0.3), (192, 7, 1.3)):
        one = dynamic_cases(8, small=True)[0]
        routing = Routing(tuple(tokens_of(batch * 96, 8, skew)))
        yield replace(one, name=f"experts {hidden} {batch} {skew}", model=resized(one.model, hidden),
                      batch=Batch(96, batch, 4), routing=routing)  # fmt: skip
    for figure, shapes in (
        (9, ((320, 6, 112, 0.3), (192, 5, 160, 0.6))),
        (10, ((320, 6, 96, 0.2), (192, 10, 144, 0.4), (448, 3, 112, 0.65), (320, 5, 224, 0.3))),
        (13, ((320, 6, 96, 0.2), (192, 7, 144, 0.45), (384, 3, 112, 0.7))),
    ):
        for hidden, batch, sequence, share in shapes:
            one = dynamic_cases(figure, small=True)[0]
            name, lengths = f"lengths {hidden} {batch} x {sequence} {share}", Lengths.drawn(share, batch, sequence, 5)
            yield replace(one, name=name, model=resized(one.model, hidden), batch=Batch(sequence, batch, 4),
                          lengths=lengths)  # fmt: skip
    for hidden, sequence, window in ((192, 640, 96), (128, 1536, 160), (256, 900, 48)):
        one = dynamic_cases(11, small=True)[0]
        yield replace(one, name=f"window {hidden} {sequence} {window}", model=resized(one.model, hidden),
                      batch=Batch(sequence, 1, 4), pattern=Window(window, 2))  # fmt: skip
    for hidden, sequence, bar in ((192, 640, 40), (128, 1600, 50)):
        one = dynamic_cases(12, small=True)[0]
        yield replace(one, name=f"bars {hidden} {sequence} {bar}", model=resized(one.model, hidden),
                      batch=Batch(sequence, 1, 4), pattern=Bars(bar))  # fmt: skip
    for hidden, batch, height, width, sparsity in (
        (384, 3, 32, 64, 0.85), (384, 3, 32, 1, 0.85), (448, 2, 64, 64, 0.93), (320, 5, 16, 1, 0.96),
        (448, 2, 64, 1, 0.75), (384, 3, 32, 64, 0.97),
    ):  # fmt: skip
        one = dynamic_cases(14, small=True)[0]
        yield replace(one, name=f"pruned {hidden} {batch} {height}x{width} {sparsity}",
                      model=resized(one.model, hidden), batch=Batch(112, batch, 4),
                      weights=Zeros(width, height, sparsity))  # fmt: skip


def chooser(profile: KernelProfile, block: int) -> Callable[..., Choice]:
    """Return what chooses as the prediction does: attention in row blocks of `block`, 0 for dense."""
    of_products = by_profile(profile)

    def choose(mask: torch.Tensor, columns: int, dtype: torch.dtype, axes: object = ("rows", "k", "m")) -> Choice:
        if axes == ("k",):
            return Choice(Kernel("k", block) if block else None, "as predicted")
        return of_products(mask, columns, dtype, axes)  # type: ignore[arg-type]  # names of axes

    return choose


def once(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], training: bool) -> float:
    """Return the CPU time of a pass, or of a forward and a backward pass [s]."""
    for one in module.parameters():
        one.grad = None
    started = time.thread_time()
    if training:
        module(*inputs).sum().backward()
    else:
        with torch.no_grad():
            module(*inputs)
    return time.thread_time() - started


def measure(case: DynamicCase, profile: KernelProfile, block: int, repeats: int) -> tuple[dict[Way, float], list[str]]:
    """Return the median CPU time of a dense run and of one by PIT [s], in turns, and what PIT ran."""
    module, inputs = dynamic_model(case), dynamic_inputs(case)
    packed = pitify(module)
    packed.pit_choose = chooser(profile, block)
    run = {
        Way.DENSE: partial(once, module, inputs, case.training),
        Way.PIT: partial(once, packed, inputs, case.training),
    }
    for each in run.values():
        each()
    seconds: dict[Way, list[float]] = {way: [] for way in run}
    for _ in range(repeats):
        for way, each in run.items():
            seconds[way].append(each())
    ran = [
        site.choice.kernel.name if site.choice.kernel else site.operator
        for site in packed.pit_sites.values()
        if site.pit
    ]
    return {way: statistics.median(each) for way, each in seconds.items()}, list(dict.fromkeys(ran))


def main(name: str = "cpu", figures: str = "8,9,10,11,12,13,14", repeats: str = "7") -> None:
    """Print every model and the sums."""
    torch.set_num_threads(1)
    profile = read_profile(name).value
    wanted = {int(one) for one in figures.split(",")}
    errors: dict[Way, list[float]] = {Way.DENSE: [], Way.PIT: []}
    right, regrets = [], []
    print(f"profile {profile.name}, load {os.getloadavg()[0]:.1f}")
    for case in cases():
        if case.figure not in wanted:
            continue
        found = predict_dynamic(case, profile)
        predicted = {way: found.ways[way].forward + found.ways[way].backward for way in errors}
        measured, ran = measure(case, profile, found.ways[Way.PIT].block, int(repeats))
        text = []
        for way, seen in measured.items():
            errors[way].append(predicted[way] / seen - 1)
            text.append(
                f"{way.value} {seen * 1e3:7.2f} ms, predicted {predicted[way] * 1e3:7.2f} ({errors[way][-1]:+.0%})"
            )
        foreseen, fastest = min(predicted, key=lambda way: predicted[way]), min(measured, key=lambda way: measured[way])
        if abs(measured[Way.DENSE] / measured[Way.PIT] - 1) > NOISE:
            right.append(foreseen is fastest)
        regrets.append(measured[foreseen] / measured[fastest] - 1)
        print(
            f"{case.figure:2} {case.name:28} {'; '.join(text)}; block {found.ways[Way.PIT].block}; {', '.join(ran)}",
            flush=True,
        )
    every = [abs(error) for each in errors.values() for error in each]
    for way, each in errors.items():
        print(f"{way.value}: MAPE {statistics.mean(map(abs, each)):.1%}, bias {statistics.mean(each):+.1%}")
    print(f"all: MAPE {statistics.mean(every):.1%} of {len(every)}; faster way foreseen {sum(right)} of {len(right)}; "
          f"regret mean {statistics.mean(regrets):.1%}, most {max(regrets):.1%}")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
