"""What is said of a module that was verified."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.real.verify.finding import TOLERANCES, Finding
from simcore.report import Block, Grid, Headline, Sentences, grid
from simcore.studies.verify.outcome import VerifyOutcome
from simcore.units import counted

KINDS = ("output", "input gradient", "parameter gradient")


def report(result: VerifyOutcome) -> list[Block]:
    """Return what each step changed, and the largest error of each kind of tensor."""
    ways = result.ways
    shared = ", ".join(f"{name} {degree}" for name, degree in (("TP", ways.tp), ("PP", ways.pp), ("ZeRO-3", ways.data))
                       if degree > 1)  # fmt: skip
    head = f"{result.name} on {counted(ways.ranks, 'rank')} of {result.device}" + (f" ({shared})" if shared else "")
    steps = grid("step", "modules", rows=[(step, str(len(paths))) for step, paths in result.verified.applied])
    return [Headline(head), *([steps] if steps.rows else []), *_errors(result), Sentences("", sentences(result))]


def _errors(result: VerifyOutcome) -> Iterator[Grid]:
    rows = []
    for precision in dict.fromkeys(one.precision for one in result.verified.findings):
        for kind in KINDS:
            of_kind = [one for one in result.verified.findings if one.precision == precision and _kind(one) == kind]
            if of_kind:
                worst = max(of_kind, key=lambda one: one.relative)
                most, where = f"{TOLERANCES[precision]:.0e}", worst.name.removeprefix("gradient of ")
                rows.append((kind, precision, str(len(of_kind)), f"{worst.relative:.1e}", most, where))
    if rows:
        yield grid("kind", "format", "tensors", "largest error", "rounding", "where", left=(0, 1, 5), rows=rows)


def _kind(one: Finding) -> str:
    if one.name.startswith("output"):
        return KINDS[0]
    name = one.name.removeprefix("gradient of ")
    return KINDS[2] if name.endswith((".weight", ".bias")) else KINDS[1]


def sentences(result: VerifyOutcome) -> list[str]:
    """Say whether all is equal, or what differs first."""
    if result.equal:
        count = len({one.name for one in result.verified.findings})
        return [
            f"All {count} tensors are equal but for rounding: outputs, input gradients and every parameter's gradient."
        ]
    after = f" The first step after which results differ is {result.breaking}." if result.breaking else ""
    said = result.difference
    return [f"NOT EQUAL: {said}.{after}"]
