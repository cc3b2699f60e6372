"""What ``simcore verify`` gives: every tensor that was compared, and what each step changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.verify.outcome import VerifyOutcome
from simcore.studies.verify.report import report, sentences


@dataclass(frozen=True, kw_only=True)
class VerifyResult(VerifyOutcome):
    """Whether a schedule changes what a module computes; its fields are those of `VerifyOutcome`."""

    stem = "verify"

    def tables(self) -> Mapping[str, Table]:
        """Return each tensor with its error, and the modules that each step changed."""
        columns = ["tensor", "precision", "error", "largest", "relative", "equal", "rank"]
        tensors = [(one.name, one.precision, one.error, one.scale, one.relative, one.equal, one.rank)
                   for one in self.verified.findings]  # fmt: skip
        steps = [(step, len(paths)) for step, paths in self.verified.applied]
        return {"tensors": Table(columns, tensors), "steps": Table(["step", "modules"], steps)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        first = self.first
        return {
            "model": self.name, "device": self.device, "ranks": self.ways.ranks, "tp": self.ways.tp,
            "pp": self.ways.pp, "zero3": self.ways.data, "equal": self.equal,
            "first": None if first is None else {**asdict(first), "relative": first.relative},
            "difference": self.difference, "breaking": self.breaking,
            "steps": [{"step": step, "modules": list(paths)} for step, paths in self.verified.applied],
            "tensors": [dict(row) for row in self.tables()["tensors"]],
            "missing": list(self.verified.missing), "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def sentences(self) -> list[str]:
        """Return whether all is equal, or what differs first."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return what each step changed, and how far tensors are off."""
        return report(self)
