"""What ``simcore sparse`` gives: sparse operators with what PIT saves at each, and the whole module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.results import Result, Table
from simcore.studies.sparse.request import SparseRequest
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simcore.real.sparse.found import Found


@dataclass(frozen=True, kw_only=True)
class SparseResult(Result):
    """Where a module is dynamically sparse.

    Attributes
    ----------
    request : SparseRequest
        What was asked for.
    dtype : str
        Number format of the module.
    found : tuple of Found
        Sparse operators, in the order in which they run.
    whole : mapping
        What was measured of the whole module: rows ``dense`` and ``pit``.
    profile : str
        What kernels were chosen by; empty for least coverage.
    """

    request: SparseRequest
    dtype: str
    found: tuple[Found, ...]
    whole: Mapping[str, Mapping[str, Any]]
    profile: str = ""

    stem = "sparse"

    @cached_property
    def table(self) -> Table:
        """A row per sparse operator: where it is, what runs it, and its times."""
        rows = [
            (one.module, one.site.operator, one.site.operand, one.site.zeros, _kernel(one), one.site.choice.why,
             one.dense, one.pit, one.index, one.gain, one.spread, one.noisy, one.backend, one.of_library, one.fastest,
             *(one.predicted.get(way) for way in ("dense", "library", "pit")), one.foreseen)
            for one in self.found
        ]  # fmt: skip
        columns = ["module", "operator", "operand", "zeros", "kernel", "why", "dense", "pit", "index", "gain", "spread",
                   "noisy", "library", "of_library", "fastest", "predicted_dense", "predicted_library",
                   "predicted_pit", "foreseen"]  # fmt: skip
        seconds = ("dense", "pit", "index", "of_library", "predicted_dense", "predicted_library", "predicted_pit")
        return Table(columns, rows, dict.fromkeys(seconds, "s"))

    @cached_property
    def granularity(self) -> Table:
        """A row per sparse operator and shape of a micro-tile or block: the share of them that hold a non-zero."""
        rows = [
            (one.module, one.site.operator, one.site.operand, tile, share)
            for one in self.found
            for tile, share in one.covered.items()
        ]
        return Table(["module", "operator", "operand", "tile", "covered"], rows)

    @cached_property
    def module(self) -> Table:
        """A row per way of the whole module: its time with the index, the index, peak memory and largest difference."""
        rows = [
            (way, row["total_seconds"], row["index_seconds"], row["spread"], row["noisy"], row.get("memory_bytes"),
             row.get("error"), row["note"])
            for way, row in self.whole.items()
        ]  # fmt: skip
        columns = ["way", "time", "index", "spread", "noisy", "memory", "error", "note"]
        return Table(columns, rows, {"time": "s", "index": "s", "memory": "B"})

    def tables(self) -> Mapping[str, Table]:
        """Return operators, their granularity, and the whole module."""
        return {self.stem: self.table, "granularity": self.granularity, "module": self.module}

    def sentences(self) -> list[str]:
        """Return what to do with it."""
        quick = [one for one in self.found if one.gain > 1 and not one.noisy and _kernel(one) != "dense"]
        said = [f"PIT speeds up {len(quick)} of {counted(len(self.found), 'sparse operator')}, index included."]
        dense, pit = (self.whole[way]["total_seconds"] for way in ("dense", "pit"))
        if dense and pit:
            passes = "forward and backward" if self.request.backward else "forward"
            said.append(
                f"The whole module takes {format_si(dense, 's')} dense and {format_si(pit, 's')} by PIT ({passes}): "
                f"{dense / pit:.2f} times as fast. Results differ by {self.whole['pit']['error']:.1e} of the largest."
            )
        else:
            said.append(f"The whole module by PIT was not timed: {self.whole['pit']['note']}.")
        said.append("simcore.real.sparse.pitify(module, *example) runs it so.")
        return said

    def report(self) -> Sequence[Block]:
        """Return a row per operator, and the whole module."""
        rows = [
            (one.module or "(whole)", f"{one.site.operator}, {one.site.operand}", f"{one.site.zeros:.1%}", _kernel(one),
             format_si(one.dense, "s"), format_si(one.pit, "s"), format_si(one.index, "s"),
             f"{one.gain:.2f}" + (" NOISY" if one.noisy else ""))
            for one in self.found
        ]  # fmt: skip
        columns = [
            *(Column(name, left=True) for name in ("module", "operator")), Column("zeros", whole=True),
            Column("kernel", left=True), *(Column(name, whole=True) for name in ("dense", "PIT", "index", "gain")),
        ]  # fmt: skip
        chosen = f"predicted times of profile {self.profile}" if self.profile else "least coverage"
        why = list(dict.fromkeys(f"{_kernel(one)}: {one.site.choice.why.rstrip('.')}." for one in self.found))
        return [
            Headline(
                f"{self.request.model}: {counted(len(self.found), 'sparse operator')}, {self.dtype} on "
                f"{self.request.device}",
                f"kernels chosen by {chosen}; PIT with its index, found anew at each call; one thread's time on a CPU",
            ),
            Grid(columns, rows),
            *self._granularity(),
            *self._ways(),
            Sentences("Why these kernels", why),
            Sentences("", self.sentences()),
        ]

    def _ways(self) -> Sequence[Block]:
        """Return what each operator takes by a library, and the predicted times beside: nothing where none has it."""
        seen = [one for one in self.found if one.backend or one.predicted]
        if not seen:
            return ()
        rows = [
            (one.module or "(whole)", f"{one.site.operator}, {one.site.operand}", one.backend or "-",
             _seconds(one.of_library), one.fastest,
             *(_seconds(one.predicted.get(way)) for way in ("dense", "library", "pit")), one.foreseen or "-")
            for one in seen
        ]  # fmt: skip
        columns = [
            *(Column(name, left=True) for name in ("module", "operator", "by")), Column("library", whole=True),
            Column("fastest", left=True),
            *(Column(name, whole=True) for name in ("dense", "library", "PIT")), Column("foreseen", left=True),
        ]  # fmt: skip
        said = "By a library, its conversion included; then predicted dense, by the library and by PIT"
        return (Text(said), Grid(columns, rows, keys=2))

    def _granularity(self) -> Sequence[Block]:
        """Return which share of the micro-tiles of each operator is covered; nothing where all are experts."""
        seen = [one for one in self.found if one.covered]
        if not seen:
            return ()
        rows = [
            (one.module or "(whole)", f"{one.site.operator}, {one.site.operand}",
             *(f"{share:.1%}" for share in one.covered.values()))
            for one in seen
        ]  # fmt: skip
        columns = [*(Column(name, left=True) for name in ("module", "operator")),
                   *(Column(name, whole=True) for name in seen[0].covered)]  # fmt: skip
        title = Text("Share of the micro-tiles and blocks of each shape that hold a non-zero")
        return (title, Grid(columns, rows, keys=2))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return {
            "model": self.request.model,
            "device": self.request.device,
            "dtype": self.dtype,
            "operators": [dict(row) for row in self.table],
            "granularity": [dict(row) for row in self.granularity],
            "module": [dict(row) for row in self.module],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw each operator's time dense and by PIT."""
        from simcore.plots import caption
        from simcore.studies.sparse.figures import draw

        text = f"sparse operators of {self.request.model}, {self.dtype} on {self.request.device}"
        return {self.stem: caption(draw(self.table), text)}


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else format_si(seconds, "s")


def _kernel(one: Found) -> str:
    """Return the name of what runs an operator."""
    kernel = one.site.choice.kernel
    return kernel.name if kernel else "packed rows" if one.site.pit else "dense"
