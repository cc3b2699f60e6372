"""What ``simcore validate`` gives: rows beside their predictions, errors by source, and why rows are not expressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.stack import Stack
from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import stack_dict
from simcore.studies.validate.errors import Errors, unexpressed
from simcore.studies.validate.outcome import ValidateOutcome
from simcore.studies.validate.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPED = ("source", "device", "precision", "kind")
"""What rows are grouped by."""

_NUMBERS = [one.name for one in fields(Errors)]
_ROW = [
    "row_id", "source", "device", "precision", "kind", "model", "gpus", "predicted", "low", "high", "measured",
    "fitted", "why_not",
]  # fmt: skip


_STACK = ["name", "products", "launch", "network", "attention", "low", "high", "rows", "held", "identified"]


def _stack_row(one: Stack) -> list[Any]:
    identified = " ".join(name for name, sure in one.identified.items() if sure)
    return [*(getattr(one, name) for name in _STACK[:-1]), identified]


class ValidateResult(ValidateOutcome):
    """The model against measured iterations and collectives, as tables, figures, report and JSON."""

    stem = "validate"

    def tables(self) -> Mapping[str, Table]:
        """Return every row beside its prediction [s], the errors of groups, sources and tables, and the reasons."""
        rows = [[*(getattr(row, name) for name in _ROW[:-1]), unexpressed(row)] for row in self.rows]
        reasons = [(each.what, *key, count) for each in self.measured for key, count in each.reasons().items()]
        return {
            self.stem: Table(_ROW, rows),
            "sources": Table([*GROUPED, *_NUMBERS], [(*key, *astuple(errors)) for key, errors in self.groups]),
            "by_source": Table(["source", *_NUMBERS], [(key, *astuple(errors)) for key, errors in self.sources]),
            "total": Table(["of", *_NUMBERS], [(each.what, *astuple(each.total)) for each in self.measured]),
            "unexpressed": Table(["of", "source", "reason", "rows"], reasons),
            "stacks": Table(_STACK, [_stack_row(one) for one in self.stacks], {"launch": "s"}),
        }

    def inputs(self) -> Mapping[str, str]:
        """Return the fitted constants, which ``simcore train --stack`` takes."""
        from simcore.readers.stacks import stack_text

        return {} if self.stack is None else {"stack.yaml": stack_text(self.stack)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON; errors and noise are fractions."""
        return {
            "sources": [dict(zip(GROUPED, key, strict=True)) | asdict(errors) for key, errors in self.groups],
            "by_source": [{"source": source} | asdict(errors) for source, errors in self.sources],
            "total": {each.what: asdict(each.total) for each in self.measured},
            "unexpressed": [
                {"of": each.what, "source": source, "reason": reason, "rows": rows}
                for each in self.measured
                for (source, reason), rows in each.reasons().items()
            ],
            "published_noise": [
                {"of": source, **asdict(found)}
                for each in self.measured
                for source in each.sources
                for found in each.published(source)
            ],
            "stack": stack_dict(self.stack),
            "stacks": [stack_dict(one) for one in self.stacks],
            "fits": list(self.fits),
            "sentences": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the numbers mean, and what was fitted on what."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return errors by source, why rows are not expressed, and what was fitted on what."""
        return report(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw predictions over measurements, and the errors of each source beside its noise."""
        from simcore.studies.validate.figures import errors, scatter

        drawn = [each for each in self.measured if each.total.expressed]
        if not drawn:
            return {}
        return {"scatter": scatter(drawn), "errors": errors(drawn)}
