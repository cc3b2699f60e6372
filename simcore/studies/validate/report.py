"""What is said of a model that was held against measurements."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.report import Block, Headline, Sentences, grid
from simcore.studies.validate.outcome import Errors, ValidateOutcome


def report(result: ValidateOutcome) -> list[Block]:
    """Return the errors of each source, and why rows are not expressed."""
    rows, expressed = (sum(getattr(one, name) for one in result.peaks) for name in ("rows", "expressed"))
    blocks: list[Block] = [
        Headline(f"{result.name}: {expressed:,} of {rows:,} measured rows expressed", "peak of one GPU's memory"),
        _errors(result.peaks),
    ]
    if result.states:
        blocks += [Headline("held between iterations", "weights, gradients, optimizer, workspace"),
                   _errors(result.states)]  # fmt: skip
    if result.fitting:
        told = [
            (one.source, f"{one.said_so:,} of {one.ran_out:,}", f"{one.said_they_would:,} of {one.ran:,}")
            for one in result.fitting
        ]
        blocks.append(grid("source", "out of memory, said so", "ran, said so", rows=told))
    if result.unexpressed:
        reasons = [(source, reason, f"{count:,}") for (source, reason), count in result.unexpressed.items()]
        blocks.append(grid("source", "not expressed because", "rows", left=(0, 1), rows=reasons))
    return [*blocks, Sentences("", sentences(result))]


def sentences(result: ValidateOutcome) -> list[str]:
    """Say what the numbers mean."""
    return [
        "Errors are relative to what was measured; the bias is above 0 where the model says too much.",
        "What rows do not give is assumed or inferred; the documentation of this command lists it.",
    ]


def _errors(each: Sequence[Errors]) -> Block:
    rows = [
        (one.source, f"{one.rows:,}", f"{one.expressed:,}", *map(_share, (one.mape, one.median, one.p90, one.bias)))
        for one in each
    ]
    return grid("source", "rows", "expressed", "MAPE", "median", "P90", "bias", rows=rows)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
