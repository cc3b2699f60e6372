"""What ``simcore validate`` gives: errors by source, and why rows are not expressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.validate.outcome import Errors, Row, ValidateOutcome
from simcore.studies.validate.report import report, sentences


@dataclass(frozen=True, kw_only=True)
class ValidateResult(ValidateOutcome):
    """The model of memory against measured rows, as tables, report and JSON; see `ValidateOutcome`."""

    stem = "validate"

    def tables(self) -> Mapping[str, Table]:
        """Return the errors of each source, the reasons, and every row with what the model says."""
        reasons = [(source, reason, count) for (source, reason), count in self.unexpressed.items()]
        return {
            "sources": Table([one.name for one in fields(Errors)], [astuple(one) for one in self.peaks]),
            "unexpressed": Table(["source", "reason", "rows"], reasons),
            "rows": Table(
                [one.name for one in fields(Row)],
                [astuple(one) for one in self.rows],
                {"measured": "B", "predicted": "B"},
            ),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON; errors are fractions."""
        return {
            "sources": [asdict(one) for one in self.peaks],
            "state": [asdict(one) for one in self.states],
            "out_of_memory": [asdict(one) for one in self.fitting],
            "unexpressed": [
                {"source": source, "reason": reason, "rows": rows}
                for (source, reason), rows in self.unexpressed.items()
            ],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the numbers mean."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return the errors of each source, and why rows are not expressed."""
        return report(self)
