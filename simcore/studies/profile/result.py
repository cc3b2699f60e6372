"""What ``simcore profile`` gives: fits and their errors, parameters side by side, predictions against measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.models.compute.expected import class_name, errors_by_class
from simcore.models.compute.profile import Errors, KernelProfile
from simcore.models.compute.sparse.noise import measured_tiles
from simcore.outputs import check_file, write_atomic
from simcore.readers.profile_json import profile_text
from simcore.report import Block
from simcore.results import Result, Table
from simcore.studies.profile.report import of_parameters, of_profile, of_validation
from simcore.studies.profile.table import TableValidation
from simcore.studies.profile.validation import Validation, predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FITS = (
    "profile", "kernel", "dtype", "state", "origin", "errors on", "samples", "mape", "p90", "bias", "spread", "noisy",
    "parameters",
)  # fmt: skip

SIZES = ("profile", "kernel", "dtype", "state", "one call", "samples", "mape", "p90", "bias")


@dataclass(frozen=True, kw_only=True)
class ShowResult(Result):
    """What profiles hold.

    Attributes
    ----------
    profiles : tuple of KernelProfile
        The profiles, in the order in which they were given.
    """

    stem = "profile"

    profiles: tuple[KernelProfile, ...]

    @cached_property
    def fits(self) -> Table:
        """A row for each fit, and for each sparse kernel whose samples are a tile table."""
        return Table(FITS, [row for profile in self.profiles for row in _fits(profile)])

    def tables(self) -> Mapping[str, Table]:
        """Return the table of fits, and their errors by how long a call takes."""
        return {"fits": self.fits, "sizes": Table(SIZES, [row for profile in self.profiles for row in _sizes(profile)])}

    def as_dict(self) -> dict[str, Any]:
        """Return the profile, or several under ``profiles``, as plain containers for JSON."""
        documents = [each.as_document() for each in self.profiles]
        return _one_or_several(documents) | {"provenance": self.provenance.as_dict()}

    def report(self) -> Sequence[Block]:
        """Return what was measured where, fits with their errors, and parameters."""
        return [block for each in self.profiles for block in of_profile(each, *self._tables(each))]

    def _tables(self, profile: KernelProfile) -> tuple[Table, Table]:
        return Table(FITS, _fits(profile)), Table(SIZES, _sizes(profile))

    def figures(self) -> Mapping[str, Figure]:
        """Draw predicted against measured seconds of the samples that have a fit; nothing where there are none."""
        from simcore.studies.profile.figures import draw

        tables = [predictions(each, each.samples) for each in self.profiles]
        drawn = zip(_names(self.stem, len(tables)), tables, self.profiles, strict=True)
        return {name: draw(table, each.name) for name, table, each in drawn if len(table)}


@dataclass(frozen=True, kw_only=True)
class DeriveResult(Result):
    """The profile of a device that nobody measured.

    Attributes
    ----------
    profile : KernelProfile
        Scaled from measured devices.
    """

    stem = "profile"

    profile: KernelProfile

    def tables(self) -> Mapping[str, Table]:
        """Return the table of fits, with the errors on sources that were left out."""
        return {"fits": Table(FITS, _fits(self.profile)), "sizes": Table(SIZES, _sizes(self.profile))}

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as plain containers for JSON."""
        return self.profile.as_document() | {"provenance": self.provenance.as_dict()}

    def report(self) -> Sequence[Block]:
        """Return what it was scaled from, fits with their errors, and parameters."""
        tables = self.tables()
        return of_profile(self.profile, tables["fits"], tables["sizes"])

    def write_profile(self, path: Path) -> None:
        """Write a profile file; one that simcore did not write is not replaced."""
        check_file(path, own="profile")
        write_atomic(path, profile_text(self.profile))


@dataclass(frozen=True, kw_only=True)
class CompareResult(Result):
    """Parameters of profiles side by side.

    Attributes
    ----------
    parameters : Table
        A row per kernel, number format and parameter, a column per profile.
    """

    stem = "comparison"

    parameters: Table

    def tables(self) -> Mapping[str, Table]:
        """Return the table of parameters."""
        return {"parameters": self.parameters}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, with the hash of each profile by its column."""
        return {
            "parameters": [dict(row) for row in self.parameters],
            "sha256": dict(self.provenance.sha256),
            "provenance": self.provenance.as_dict(),
        }

    def report(self) -> Sequence[Block]:
        """Return the table of parameters."""
        return of_parameters(self.parameters)


@dataclass(frozen=True, kw_only=True)
class ValidateResult(Result):
    """Predictions of profiles against held-out measurements.

    Attributes
    ----------
    validations : tuple of Validation or of TableValidation
        One for each profile.
    """

    stem = "validation"

    validations: tuple[Validation | TableValidation, ...]

    def tables(self) -> Mapping[str, Table]:
        """Return errors by kernel, and every held-out shape with its predicted seconds."""
        return {
            "errors": _stacked([(each.file, each.table) for each in self.validations]),
            "predictions": _stacked([(each.file, each.predictions) for each in self.validations]),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return errors, regret and passes, or those of several profiles under ``profiles``, for JSON."""
        documents = [each.as_dict() for each in self.validations]
        return _one_or_several(documents) | {"provenance": self.provenance.as_dict()}

    def sentences(self) -> list[str]:
        """Return the regret of choosing kernels by prediction, or how many rows were not compared."""
        return [sentence for each in self.validations for sentence in each.sentences()]

    def report(self) -> Sequence[Block]:
        """Return how each profile was measured, its errors, and the regret."""
        return [block for each in self.validations for block in of_validation(each)]

    def figures(self) -> Mapping[str, Figure]:
        """Draw predicted against measured seconds of the held-out shapes."""
        from simcore.studies.profile.figures import draw

        names = _names(self.stem, len(self.validations))
        return {
            name: draw(each.predictions, each.name, each.measured())
            for name, each in zip(names, self.validations, strict=True)
            if len(each.predictions)
        }


def _fits(profile: KernelProfile) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for fit in profile.fits:
        parameters = ", ".join(f"{name} {value:.4g}" for name, value in fit.parameters.items())
        if fit.correction is not None:
            parameters += f"; corrected by {len(fit.correction.trees)} trees"
        known = _errors(fit.errors, fit.basis)
        rows.append((profile.name, *fit.key, fit.origin, *known, fit.spread, fit.noisy, parameters))
    for one in measured_tiles(profile):
        known = _errors(one.errors, "held out")
        key = profile.name, one.kernel, one.dtype, one.state, profile.origin
        rows.append((*key, *known, one.spread, one.noisy, one.described))
    return rows


def _sizes(profile: KernelProfile) -> list[tuple[Any, ...]]:
    """Return the errors of each fit by how long a call takes, where the profile holds the samples."""
    return [
        (profile.name, *fit.key, class_name(number), *dataclasses.astuple(errors))
        for fit in profile.fits
        for number, errors in errors_by_class(profile, fit).items()
    ]


def _errors(errors: Errors | None, basis: str) -> tuple[str | float | None, ...]:
    """Return which errors these are, on how many samples, and the errors; where there are none, nothing but 0."""
    return (None, 0, None, None, None) if errors is None else (basis, *dataclasses.astuple(errors))


def _one_or_several(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(documents[0]) if len(documents) == 1 else {"profiles": documents}


def _names(stem: str, count: int) -> list[str]:
    """Return the names of the files of so many figures."""
    return [stem] if count == 1 else [f"{stem}-{number}" for number in range(1, count + 1)]


def _stacked(tables: list[tuple[str, Table]]) -> Table:
    """Return tables below each other, with the profile of each in the first column."""
    _, first = tables[0]
    rows = [(name, *row.values()) for name, table in tables for row in table]
    return Table(["profile", *first.columns], rows, first.units)
