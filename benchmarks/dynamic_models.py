"""Dynamic sparse models on one CPU thread beside their predictions: whole models, dense, by a library and by PIT.

    python benchmarks/dynamic_models.py [profile] [figures, such as 8,10] [repeats] [seed]

No suite of a calibration holds the shapes and masks of these models; with a seed above 0 they are drawn. Each model
runs densely, by the libraries that have what is sparse of it and by `pitify`, in turns, with attention packed as the
prediction chose. Prints CPU time and prediction of every way [s], the mean absolute error, how often the fastest way
was foreseen, and what the foreseen way loses. Conversions and indices are in all times. A profile without kernels of
the libraries gives no prediction of them.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from simcore.calibrate.measure.allocator import keep_memory
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.composed import tokens_of
from simcore.models.compute.sparse.statistics import Bars, Lengths, Pattern, Routing, Window, Zeros
from simcore.models.training.architecture import Batch, Experts, Transformer
from simcore.models.training.dynamic import DynamicCase, dynamic_cases
from simcore.models.training.dynamic_times import DynamicPrediction, libraries, predict_dynamic
from simcore.models.training.way import Library, Way
from simcore.readers.profiles import read_profile
from simcore.real.sparse import pitify
from simcore.real.sparse.choice import Choice, by_profile, least_covered
from simcore.real.sparse.libraries import LibraryOperators
from simcore.real.sparse.models import dynamic_inputs, dynamic_model
from simcore.real.sparse.pit import PitOperators, Site
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


def of_experts(hidden: int, batch: int, skew: float) -> DynamicCase:
    """Return a model of Figure 8 whose tokens choose experts by Zipf's law."""
    one = dynamic_cases(8, small=True)[0]
    routing = Routing(tuple(tokens_of(batch * 96, 8, skew)))
    return replace(one, name=f"experts {hidden} {batch} {skew:g}", model=resized(one.model, hidden),
                   batch=Batch(96, batch, 4), routing=routing)  # fmt: skip


def of_lengths(figure: int, hidden: int, batch: int, sequence: int, share: float, seed: int = 5) -> DynamicCase:
    """Return a model of Figure 9, 10 or 13 whose tokens fill a share of the batch."""
    one = dynamic_cases(figure, small=True)[0]
    name, lengths = f"lengths {hidden} {batch} x {sequence} {share:g}", Lengths.drawn(share, batch, sequence, seed)
    return replace(one, name=name, model=resized(one.model, hidden), batch=Batch(sequence, batch, 4), lengths=lengths)


def of_pattern(figure: int, hidden: int, sequence: int, pattern: Pattern, name: str) -> DynamicCase:
    """Return a model of Figure 11 or 12 of one sequence."""
    one = dynamic_cases(figure, small=True)[0]
    return replace(one, name=f"{name.split()[0]} {hidden} {sequence} {name.split()[1]}",
                   model=resized(one.model, hidden), batch=Batch(sequence, 1, 4), pattern=pattern)  # fmt: skip


def of_pruning(hidden: int, batch: int, height: int, width: int, sparsity: float) -> DynamicCase:
    """Return a model of Figure 14 with blocks of height x width in its weights."""
    one = dynamic_cases(14, small=True)[0]
    return replace(one, name=f"pruned {hidden} {batch} {height}x{width} {sparsity:g}", model=resized(one.model, hidden),
                   batch=Batch(112, batch, 4), weights=Zeros(width, height, sparsity))  # fmt: skip


def cases() -> Iterator[DynamicCase]:
    """Yield models of sizes, lengths, windows and zeros that no suite has."""
    for sizes in ((192, 3, 0.7), (320, 5, 0.3), (192, 7, 1.3)):
        yield of_experts(*sizes)
    for figure, shapes in (
        (9, ((320, 6, 112, 0.3), (192, 5, 160, 0.6))),
        (10, ((320, 6, 96, 0.2), (192, 10, 144, 0.4), (448, 3, 112, 0.65), (320, 5, 224, 0.3))),
        (13, ((320, 6, 96, 0.2), (192, 7, 144, 0.45), (384, 3, 112, 0.7))),
    ):
        for shape in shapes:
            yield of_lengths(figure, *shape)
    for hidden, sequence, window in ((192, 640, 96), (128, 1536, 160), (256, 900, 48)):
        yield of_pattern(11, hidden, sequence, Window(window, 2), f"window {window}")
    for hidden, sequence, bar in ((192, 640, 40), (128, 1600, 50)):
        yield of_pattern(12, hidden, sequence, Bars(bar), f"bars {bar}")
    for blocks in (
        (384, 3, 32, 64, 0.85), (384, 3, 32, 1, 0.85), (448, 2, 64, 64, 0.93), (320, 5, 16, 1, 0.96),
        (448, 2, 64, 1, 0.75), (384, 3, 32, 64, 0.97),
    ):  # fmt: skip
        yield of_pruning(*blocks)


DRAWN = {8: 3, 9: 3, 10: 4, 11: 3, 12: 3, 13: 3, 14: 5}
"""Models of each figure that `drawn` yields."""


def drawn(seed: int) -> Iterator[DynamicCase]:
    """Yield models whose sizes and masks are drawn, so that nobody has seen them; most sizes divide by no tile."""
    random = np.random.default_rng(np.random.SeedSequence(seed))

    def size(low: int, high: int) -> int:
        return int(random.integers(low, high, endpoint=True))

    def share(low: float, high: float) -> float:
        return round(float(random.uniform(low, high)), 2)

    for figure, number in DRAWN.items():
        for _ in range(number):
            hidden = 64 * size(2, 7)
            if figure == 8:
                yield of_experts(hidden, size(2, 8), share(0.2, 1.5))
            elif figure in {9, 10, 13}:
                yield of_lengths(figure, hidden, size(2, 10), size(64, 256), share(0.15, 0.8), size(1, 10**6))
            elif figure == 11:
                window = size(24, 200)
                yield of_pattern(11, hidden, size(400, 1700), Window(window, size(0, 4)), f"window {window}")
            elif figure == 12:
                bar = size(20, 64)
                yield of_pattern(12, hidden, size(400, 1700), Bars(bar), f"bars {bar}")
            else:
                height, width = (int(random.choice(sides)) for sides in ((8, 16, 32, 64), (1, 16, 32, 64)))
                yield of_pruning(hidden, size(2, 6), height, width, share(0.5, 0.99))


def chooser(profile: KernelProfile, block: int) -> Callable[..., Choice]:
    """Return what chooses as the prediction does: attention in row blocks of `block`, 0 for dense."""
    of_products = by_profile(profile)

    def choose(mask: torch.Tensor, columns: int, dtype: torch.dtype, axes: object = ("rows", "k", "m")) -> Choice:
        if axes == ("k",):
            return Choice(Kernel("k", block) if block else None, "as predicted")
        return of_products(mask, columns, dtype, axes)  # type: ignore[arg-type]  # names of axes

    return choose


def once(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], training: bool,
    operators: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> float:  # fmt: skip
    """Return the CPU time of a pass, or of a forward and a backward pass [s]."""
    for one in module.parameters():
        one.grad = None
    started = time.thread_time()
    with nullcontext() if training else torch.no_grad():
        with operators():
            made = module(*inputs)
        if training:
            made.sum().backward()
    return time.thread_time() - started


def of_library(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], library: Library) -> Callable[[], object]:
    """Return what makes the operators of a library for a pass."""
    sites: dict[tuple[str, int], Site] = {}
    with torch.no_grad(), PitOperators(sites, least_covered):
        module(*inputs)
    return lambda: LibraryOperators("bsr 32" if library is Library.BSR else library.value, sites)  # type: ignore[arg-type]


Ran = tuple[Way, str]
"""A way, and the library of that of a library."""


def measure(case: DynamicCase, profile: KernelProfile, block: int, repeats: int) -> tuple[dict[Ran, float], list[str]]:
    """Return the median CPU time of each way and library [s], in turns, and what PIT ran."""
    module, inputs = dynamic_model(case), dynamic_inputs(case)
    packed = pitify(module)
    packed.pit_choose = chooser(profile, block)
    run: dict[Ran, Callable[[], float]] = {(Way.DENSE, ""): partial(once, module, inputs, case.training)}
    for library in libraries(case):
        operators = of_library(module, inputs, library)
        run[Way.LIBRARY, library.value] = partial(once, module, inputs, case.training, operators)
    run[Way.PIT, ""] = partial(once, packed, inputs, case.training)
    for each in run.values():
        each()
    seconds: dict[Ran, list[float]] = {way: [] for way in run}
    for _ in range(repeats):
        for way, each in run.items():
            seconds[way].append(each())
    ran = [
        site.choice.kernel.name if site.choice.kernel else site.operator
        for site in packed.pit_sites.values()
        if site.pit
    ]
    return {way: statistics.median(each) for way, each in seconds.items()}, list(dict.fromkeys(ran))


@dataclass
class Held:
    """What was predicted held against what was measured.

    Attributes
    ----------
    errors : dict
        Relative errors of each way.
    right : list of bool
        Whether the fastest way was foreseen, of models whose two fastest differ by more than `NOISE`.
    regrets : list of float
        What the foreseen way takes longer than the fastest.
    """

    errors: dict[Way, list[float]] = field(default_factory=lambda: {way: [] for way in Way})
    right: list[bool] = field(default_factory=list)
    regrets: list[float] = field(default_factory=list)

    def add(self, found: DynamicPrediction, measured: dict[Ran, float]) -> str:
        """Count a model, and return its times in words."""
        predicted = {(way, one.backend): one.forward + one.backward for way, one in found.ways.items()}
        text = []
        for way in Way:
            some = {ran: seen for ran, seen in measured.items() if ran[0] is way}
            name, seen = min(some.items(), key=lambda one: one[1])
            text.append(f"{' '.join(filter(None, name))} {seen * 1e3:.2f} ms")
            if name in predicted:
                self.errors[way].append(predicted[name] / seen - 1)
                text[-1] += f", predicted {predicted[name] * 1e3:.2f} ({self.errors[way][-1]:+.0%})"
        foreseen = min(predicted, key=lambda ran: predicted[ran])
        first, second = sorted(measured.values())[:2]
        if second / first - 1 > NOISE:
            self.right.append(measured[foreseen] == first)
        self.regrets.append(measured[foreseen] / first - 1)
        wins = min(measured, key=lambda ran: measured[ran])
        return f"{'; '.join(text)}; foreseen {foreseen[0].value}, fastest {wins[0].value}"


def main(name: str = "cpu", figures: str = "8,9,10,11,12,13,14", repeats: str = "7", seed: str = "0") -> None:
    """Print every model and the sums."""
    torch.set_num_threads(1)
    keep_memory()
    profile = read_profile(name).value
    wanted = {int(one) for one in figures.split(",")}
    held = Held()
    print(f"profile {profile.name}, seed {seed}, load {os.getloadavg()[0]:.1f}")
    for case in drawn(int(seed)) if int(seed) else cases():
        if case.figure not in wanted:
            continue
        found = predict_dynamic(case, profile)
        measured, ran = measure(case, profile, found.ways[Way.PIT].block, int(repeats))
        said = held.add(found, measured)
        print(f"{case.figure:2} {case.name}: {said}; block {found.ways[Way.PIT].block}; {', '.join(ran)}", flush=True)
        for why in found.missing.values():
            print(f"   library not predicted: {why}")
    every = [abs(error) for each in held.errors.values() for error in each]
    for way, each in held.errors.items():
        if each:
            print(f"{way.value}: MAPE {statistics.mean(map(abs, each)):.1%}, bias {statistics.mean(each):+.1%}")
    print(f"all: MAPE {statistics.mean(every):.1%} of {len(every)}; fastest way foreseen {sum(held.right)} of "
          f"{len(held.right)}")  # fmt: skip
    print(f"regret mean {statistics.mean(held.regrets):.1%}, most {max(held.regrets):.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
