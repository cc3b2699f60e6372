"""What ``simcore kernel`` gives: one matrix product, predicted, and the choice of the kernel that computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.models.compute.predict import Prediction
from simcore.models.compute.sparse.selection import Candidate, Selection
from simcore.models.compute.sparse.tiles import Product, Work
from simcore.report import Block
from simcore.results import Result, Table
from simcore.studies.kernel.report import expected, headline, report


@dataclass(frozen=True, kw_only=True)
class KernelResult(Result):
    """One product, predicted.

    Attributes
    ----------
    product : Product
        Its sizes and number format.
    device : str
        Name of the profile.
    prediction : Prediction
        The dense product.
    selection : Selection or None
        The choice among sparse kernels and dense; None where the product is dense or the profile has no sparse kernels.
    """

    stem = "kernel"

    product: Product
    device: str
    prediction: Prediction
    selection: Selection | None

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The kernels that can compute the product, fastest first; times in seconds."""
        dense = {"name": "dense", "seconds": self.prediction.seconds, "expected_error": self.prediction.error}
        if self.selection is None:
            return [dense]
        rows = [dense if one.work is None else _candidate(one, one.work) for one in self.selection.candidates]
        ties = self.selection.ties
        return [row | {"tie": one in ties} for row, one in zip(rows, self.selection.candidates, strict=True)]

    def tables(self) -> Mapping[str, Table]:
        """Return the table of kernels."""
        columns = [
            "name", "seconds", "expected_error", "product_seconds", "index_seconds", "density", "share_of_dense_work",
            "tie",
        ]  # fmt: skip
        rows = [[each.get(name) for name in columns] for each in self.candidates]
        return {"candidates": Table(columns, rows)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        candidates = self.candidates
        return {
            **{("chosen" if key == "name" else key): value for key, value in candidates[0].items() if key != "tie"},
            "dense_seconds": self.prediction.seconds,
            "origin": self.prediction.origin,
            "state": self.prediction.state,
            "candidates": candidates,
            "explanation": [headline(self.product, self.device, self.prediction), *self.sentences()],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return the expected error of the dense product, and why which kernel was chosen."""
        chosen = [] if self.selection is None else self.selection.explain()
        return [expected(self.prediction), *chosen]

    def report(self) -> Sequence[Block]:
        """Return the dense product, and the choice among sparse kernels where there is one."""
        return report(self.product, self.device, self.prediction, self.selection)


def _candidate(one: Candidate, work: Work) -> dict[str, Any]:
    """Return a sparse kernel for JSON; its seconds are those of the product and of the index."""
    return {
        "name": one.name, "seconds": one.total, "expected_error": one.error, "product_seconds": one.seconds,
        "index_seconds": one.index_seconds, "density": work.density, "share_of_dense_work": work.share,
    }  # fmt: skip
