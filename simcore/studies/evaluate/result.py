"""What an evaluation gives: a figure's tables, how they were made, and the figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simcore.results import Result, Table
from simcore.studies.evaluate.request import EvaluateRequest


@dataclass(frozen=True, kw_only=True)
class Evaluation(Result):
    """Tables of one figure, and where they come from.

    Attributes
    ----------
    request : EvaluateRequest
        What was asked for.
    title : str
        What it shows.
    data : mapping of str to Table
        By name: the figure's own, ``points`` that it was made of, and ``summary`` beside published numbers.
    settings : mapping
        What the publication fixes: networks, workloads, budgets.
    notes : tuple of str
        How the numbers were made.
    """

    stem = "result"

    request: EvaluateRequest
    title: str
    data: Mapping[str, Table]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The figure without its family: ``fig12``."""
        return self.request.target.partition("-")[2]

    def tables(self) -> Mapping[str, Table]:
        """Return all tables."""
        return self.data

    def sentences(self) -> list[str]:
        """Return how the numbers were made."""
        return list(self.notes)

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        tables = {name: [dict(row) for row in table] for name, table in self.data.items()}
        head = {"target": self.request.target, "title": self.title}
        made = {"settings": dict(self.settings), "notes": list(self.notes), "provenance": self.provenance.as_dict()}
        return {**head, **tables, **made}
