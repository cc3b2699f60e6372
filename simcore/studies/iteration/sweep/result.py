"""What ``simcore train MODEL --sweep`` gives: a row for each value, and what each step gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import layout_dict
from simcore.studies.iteration.sweep.outcome import Point, SweepOutcome
from simcore.studies.iteration.sweep.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEGREES = ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "zero")


class SweepResult(SweepOutcome):
    """Training iterations at several values of one input, as tables, report, figure and JSON; see `SweepOutcome`."""

    stem = "sweep"

    def tables(self) -> Mapping[str, Table]:
        """Return a row for each value, and the parts of the iteration at each."""
        rows = [(*self._numbers(point, gain).values(), *self._layout(point)) for point, gain in self._pairs()]
        names = list(self._numbers(self.points[0], None))
        units = {"time": "s", "exposed": "s", "tokens": "per_s", "reserved": "B", "cost": "usd"}
        parts = [
            (point.value, name, seconds, seconds / point.time)
            for point in self.points
            for name, seconds in point.result.evaluation.parts.items()
        ]
        return {
            "sweep": Table([*names, *_DEGREES, "recompute"], rows, units | self._unit),
            "parts": Table([self.name, "part", "time", "share"], parts, {"time": "s"} | self._unit),
        }

    @property
    def _unit(self) -> dict[str, str]:
        return {"nic": "B_per_s"} if self.name == "nic" else {}

    def _pairs(self) -> list[tuple[Point, float | None]]:
        return list(zip(self.points, self.gains, strict=True))

    def _numbers(self, point: Point, gain: float | None) -> dict[str, Any]:
        one, peak = point.result, point.result.peak
        return {
            self.name: point.value, "time": one.time, "tokens": one.tokens_per_second, "gain": gain,
            "exposed": point.exposed, "exposed_share": point.exposed / one.time,
            "mfu": None if peak is None else one.evaluation.flops / peak,
            "reserved": one.evaluation.worst.reserved, "fits": one.fits, "cost": point.cost,
        }  # fmt: skip

    def _layout(self, point: Point) -> list[Any]:
        layout = point.result.evaluation.layout
        return [*(getattr(layout, name) for name in _DEGREES), layout.recompute.value]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        first, points = self.points[0].result, []
        for point, gain in self._pairs():
            numbers = self._numbers(point, gain)
            low, high = point.result.interval or (None, None)
            layout = layout_dict(point.result.evaluation.layout)
            more = {"parts": dict(point.result.evaluation.parts), "layout": layout, "interval_90": [low, high]}
            points.append({"value": numbers.pop(self.name), **numbers, **more})
        return {
            "model": first.deployment.name, "device": first.deployment.evaluator.machine.profile.name,
            "field": self.name, "points": points, "last_worth": self.points[self.last_worth].value,
            "reasons": self.sentences(), "warnings": list(self.warnings), "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def report(self) -> Sequence[Block]:
        """Return a row for each value, and what each step gains."""
        return report(self)

    def sentences(self) -> list[str]:
        """Return what each step gains, and which is the last one that is worth it."""
        return sentences(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw tokens per second and the parts of the iteration at each value."""
        from simcore.studies.iteration.sweep.figures import draw

        return {self.stem: draw(self)}
