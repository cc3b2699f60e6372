"""Evaluations of layouts per CPU-second: full time and memory breakdowns, no result asked for twice.

Goal: 3,000 per CPU-second of distinct (model, batch, parallelism, recomputation). ``python
benchmarks/parallel_evaluations.py`` prints a table and exits with 1 if the first row misses it. In the second row each
evaluation has its own model, sequence and micro-batch, so that nothing but the formulas of kernels is shared.
"""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import replace

from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.architecture import ALL_BIASES, Transformer
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.memory import held_micro_batches
from simcore.models.training.parallel.search import Space, layouts_of
from simcore.models.training.parallel.stages import seconds_of
from simcore.readers.profiles import read_profile

GOAL, REPEAT, ALONE = 3000.0, 3, 400
GPT = Transformer("gpt-175b", hidden=12288, blocks=96, heads=96, vocabulary=51200, biases=ALL_BIASES, dropout=0.1)
GPUS = 64


def machine():
    dimensions = (Dimension(Block.SWITCH, 8, latency=1e-6), Dimension(Block.SWITCH, GPUS // 8, latency=2e-6))
    return Machine(read_profile("a100-80gb", "profile").value, Topology("dgx", dimensions), (300e9, 25e9))


def searched():
    """Yield two models with what a search over layouts asks of each: batches, degrees, micro-batches, recomputation."""
    for model, batch in itertools.product(
        (GPT, replace(GPT, name="gpt-22b", hidden=6144, heads=64, blocks=48)), (64, 512)
    ):
        space = Space(zero=(0, 1))
        yield model, list(layouts_of(model, GPUS, batch, space, Layout(sequence_parallel=True), node=8))


def alone():
    """Yield evaluations that share nothing: widths, sequences, micro-batches and layouts all differ."""
    degrees = itertools.cycle(((1, 8, 8), (2, 4, 8), (8, 1, 8), (4, 4, 4), (8, 8, 1), (2, 2, 16)))
    ways = itertools.cycle(Recompute)
    for i, (tp, pp, dp) in zip(range(ALONE), degrees, strict=False):
        model = replace(GPT, name=f"gpt-{i}", hidden=1024 + 128 * i, heads=8 + i - i % 8, head_dim=128)
        layout = Layout(
            tp=tp, pp=pp, dp=dp, micro_batch=1 + i % 4, micro_batches=4 * pp, sequence_parallel=tp > 1, zero=i % 3,
            recompute=next(ways),
        )  # fmt: skip
        yield model, 1024 + 128 * (i % 32), layout


def cpu(run):
    """Return how many evaluations a run makes for each second of CPU time, the most of a few runs, and how many."""
    best = 0.0
    for _ in range(REPEAT):
        count, seconds = run()
        best = max(best, count / seconds)
    return best, count


def of_searches():
    seconds_of.cache_clear()  # of a run before
    held_micro_batches.cache_clear()
    on, count = machine(), 0
    cases = list(searched())
    started = time.process_time()
    for model, layouts in cases:
        evaluator = Evaluator(model, 2048, on)
        for layout in layouts:
            evaluator.evaluate(layout)
        count += len(layouts)
    return count, time.process_time() - started


def of_strangers():
    on, cases = machine(), list(alone())
    started = time.process_time()
    for model, sequence, layout in cases:
        Evaluator(model, sequence, on).evaluate(layout)
    return len(cases), time.process_time() - started


def main():
    print("what                                                evaluations   per CPU-second   goal")
    met = True
    for what, run, goal in (
        ("layouts of two models and batches, as searches ask", of_searches, GOAL),
        ("each with its own model, sequence and micro-batch", of_strangers, None),
    ):
        rate, count = cpu(run)
        print(f"{what:51s} {count:11,} {rate:16,.0f}   {'-' if goal is None else f'{goal:,.0f}'}")
        met = met and (goal is None or rate >= goal)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
