"""What ``simcore kernel break-even`` gives: where each family of kernels begins to pay, and every kernel's times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.models.compute.sparse.break_even import Edge, Trial, edges, fastest, tied
from simcore.models.compute.sparse.tiles import Product
from simcore.report import Block, Headline, Sentences, grid
from simcore.results import Result, Table
from simcore.studies.kernel.candidates import Compared
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALLED = {True: "included", False: "left out"}
"""What is said of the conversion: to CSR or BSR, or PIT's index."""


@dataclass(frozen=True, kw_only=True)
class BreakEvenResult(Result):
    """Sparse kernels beside the dense product, over sparsity.

    Attributes
    ----------
    product : Product
        Its sizes and number format.
    block : tuple of (int, int)
        Rows and columns of a block of zeros [elements].
    compared : Compared
        Every kernel at every sparsity.
    """

    stem = "break-even"

    product: Product
    block: tuple[int, int]
    compared: Compared

    @property
    def edges(self) -> list[Edge]:
        """Where each family begins to pay, with its conversion and without it."""
        return edges(self.compared.trials)

    def tables(self) -> Mapping[str, Table]:
        """Return where each family begins to pay, and every kernel at every sparsity."""
        found = [(e.candidate, CALLED[e.converted], e.tie_from, e.break_even, e.pays_from) for e in self.edges]
        columns = ["candidate", "conversion", "tie_from", "break_even", "pays_from"]
        return {"break_even": Table(columns, found), "kernels": self._kernels()}

    def _kernels(self) -> Table:
        columns = [
            "sparsity", "candidate", "kernel", "seconds", "error", "conversion_seconds", "conversion_error",
            "total_seconds", "dense_seconds", "dense_error", "without_conversion", "with_conversion",
        ]  # fmt: skip
        rows = []
        for one in self.compared.trials:
            total = one.time(converted=True)
            rows.append((
                one.sparsity, one.candidate, one.kernel, one.product.seconds, one.product.error,
                one.conversion.seconds, one.conversion.error, total.seconds, one.dense.seconds, one.dense.error,
                one.verdict(converted=False), one.verdict(converted=True),
            ))  # fmt: skip
        return Table(columns, rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        tables = {name: [dict(row) for row in table] for name, table in self.tables().items()}
        dense = {"seconds": self.compared.dense.seconds, "error": self.compared.dense.error}
        return {
            "device": self.compared.device,
            "dense": {**dense, "repeats": self.compared.dense_repeats},
            **tables,
            "explanation": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Say from where each family pays, conversion included, and what is fastest where."""
        high = self.provenance.inputs["sparsities"][-1]
        return [*(_pays(edge, high) for edge in self.edges if edge.converted),
                f"Fastest, conversion included: {'; '.join(self._winners())}."]  # fmt: skip

    def _winners(self) -> list[str]:
        """Return for each sparsity the fastest of dense and all families, and what is a tie with it."""
        found: dict[str, list[str]] = {}
        best = fastest(self.compared.trials, converted=True)
        for sparsity in dict.fromkeys(one.sparsity for one in best):
            names = _winners([one for one in best if one.sparsity == sparsity])
            found.setdefault(" or ".join(names), []).append(f"{sparsity:.4g}")
        return [f"{names} at {', '.join(at)}" for names, at in found.items()]

    def report(self) -> Sequence[Block]:
        """Return where each family begins to pay, what that means, and the fastest kernel of each at each sparsity."""
        compared = self.compared
        what = f"{self.product.m} x {self.product.n} x {self.product.k} {self.product.dtype}"
        made = f"median of {compared.dense_repeats} calls" if compared.dense_repeats else "predicted"
        dense = f"dense: {format_si(compared.dense.seconds, 's')} +-{compared.dense.error:.0%}, {made}"
        rows = [
            [e.candidate, CALLED[e.converted], *(_share(x, e.lowest) for x in (e.tie_from, e.break_even, e.pays_from))]
            for e in self.edges
        ]
        names = ("kernels", "conversion", "tie from", "break-even", "faster from")
        head = Headline(f"{what} on {compared.device}, blocks of {self.block[0]}x{self.block[1]} zero", dense)
        return [
            head, grid(*names, left=(0, 1), rows=rows), Sentences("", self.sentences()), self._times(),
        ]  # fmt: skip

    def _times(self) -> Block:
        best = sorted(fastest(self.compared.trials, converted=True), key=lambda one: one.sparsity)
        rows = [
            [
                f"{one.sparsity:.4g}", one.kernel, f"{one.product.seconds * 1e3:.4g} +-{one.product.error:.0%}",
                f"{one.conversion.seconds * 1e3:.4g} +-{one.conversion.error:.0%}",
                one.verdict(converted=False), one.verdict(converted=True),
            ]
            for one in best
        ]  # fmt: skip
        names = ("sparsity", "kernel", "product [ms]", "conversion [ms]", "product alone", "with it")
        return grid(*names, left=(1, 4, 5), rows=rows)

    def figures(self) -> Mapping[str, Figure]:
        """Draw time over sparsity, with conversion and without it."""
        from simcore.studies.kernel.figures import draw

        return {"break-even": draw(self.compared, self.block, self.product)}


def _winners(best: Sequence[Trial]) -> list[str]:
    """Return the fastest of dense and some kernels at one sparsity, and what is a tie with it."""
    times = {"dense": best[0].dense, **{one.candidate: one.time(converted=True) for one in best}}
    name = min(times, key=lambda each: times[each].seconds)
    first = times[name]
    return [name, *(other for other, time in times.items() if other != name and tied(time, first))]


def _share(value: float | None, low: float) -> str:
    if value is None:
        return "-"
    return f"<= {low:.4g}" if value == low else f"{value:.3f}"


def _pays(edge: Edge, asked: float) -> str:
    """Say from where a family pays, and nothing of a sparsity above the last one at which it has a time."""
    low, high = edge.lowest, edge.highest
    reach = "on" if high == asked else f"up to {high:.4g}"
    if edge.tie_from is None:
        return f"{edge.candidate}: slower than dense up to a sparsity of {high:.4g}, conversion included."
    if edge.pays_from is None:
        start = "all along" if edge.tie_from == low else f"from {edge.tie_from:.3f}"
        return f"{edge.candidate}: a tie with dense {start}, at no sparsity up to {high:.4g} faster."
    if edge.pays_from == low:
        return f"{edge.candidate}: faster than dense at every sparsity from {low:.4g} {reach}, conversion included."
    start = f"{low:.4g} or less" if edge.tie_from == low else f"{edge.tie_from:.3f}"
    tie = f"a tie from {start}, " if edge.tie_from < edge.pays_from else ""
    return f"{edge.candidate}: {tie}faster than dense from {edge.pays_from:.3f} {reach}, conversion included."
