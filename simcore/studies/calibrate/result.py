"""What ``simcore calibrate`` gives: a profile, how far its measurements are, and what is not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.calibrate.calibration import Calibration
from simcore.calibrate.plan import PASSES
from simcore.models.compute.profile import Fit, KernelProfile
from simcore.models.compute.sparse.noise import MeasuredTiles, measured_tiles
from simcore.report import Block, Headline, Text
from simcore.results import Result, Table
from simcore.studies.calibrate.elastic import lines_of


@dataclass(frozen=True, kw_only=True)
class CalibrateResult(Result):
    """A calibration and where it comes from.

    Attributes
    ----------
    calibration : Calibration
        What was measured, and what was not.
    path : Path
        Where the profile lies.
    """

    stem = "calibration"

    calibration: Calibration
    path: Path

    @property
    def profile(self) -> KernelProfile:
        """The profile as it was written."""
        return self.calibration.profile

    def tables(self) -> Mapping[str, Table]:
        """Return the errors of every fit, and of every sparse kernel whose samples are a tile table."""
        columns = ["kernel", "dtype", "state", "basis", "samples", "mape", "p90", "bias", "spread", "noisy"]
        rows = []
        for each in self._kernels():
            errors = each.errors
            known = (0, None, None, None) if errors is None else (errors.samples, errors.mape, errors.p90, errors.bias)
            rows.append((each.kernel, each.dtype, each.state, _basis(each), *known, each.spread, each.noisy))
        return {"errors": Table(columns, rows)}

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers for JSON; the samples are in the profile's file."""
        calibration, profile = self.calibration, self.profile
        return {
            "file": str(self.path),
            "name": profile.name,
            "sha256": profile.sha256,
            "samples": len(profile.samples),
            "fits": len(profile.fits),
            "passes": calibration.passes,
            "missing": calibration.missing,
            "skipped": list(calibration.skipped),
            "wrong": list(calibration.wrong),
            "errors": [dict(row) for row in self.tables()["errors"]],
            **({} if profile.elastic is None else {"elastic": profile.elastic.as_document()}),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Say how to add passes that the time did not suffice for."""
        if self.calibration.passes is None or self.calibration.passes >= PASSES:
            return []
        passes = f"{self.calibration.passes} of {PASSES} passes"
        return [f"{passes}: the same calibration adds the others, unless it starts anew"]

    def report(self) -> Sequence[Block]:
        """Return what was written, and a line per kernel and number format."""
        profile = self.profile
        written = f"{len(profile.samples)} samples, {len(profile.fits)} fits, sha256 {profile.sha256}"
        head = Headline(f"{self.path}: {written}", "\n".join(self.sentences()))
        lines = [*map(_line, self._kernels()), *lines_of(self.calibration)]
        return [head, Text("\n".join(lines))] if lines else [head]

    def _kernels(self) -> list[Fit | MeasuredTiles]:
        return [*self.profile.fits, *measured_tiles(self.profile)]


def _basis(one: Fit | MeasuredTiles) -> str:
    """Say which samples the errors are on, or why there is no fit."""
    if isinstance(one, Fit):
        return f"{one.basis}, nothing held out" if one.basis == "fitted" else one.basis
    return one.described if one.errors is None else f"held out; {one.described}"


def _line(one: Fit | MeasuredTiles) -> str:
    """Return the line of a kernel in a number format."""
    errors = one.errors
    shown = "-" if errors is None else f"MAPE {errors.mape:6.1%}  P90 {errors.p90:6.1%}  bias {errors.bias:+7.1%}"
    return f"  {one.kernel:20} {one.dtype:5} {one.state} {shown}  ({_basis(one)}){'  NOISY' if one.noisy else ''}"
