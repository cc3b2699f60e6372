"""Inputs of ``simcore profile``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.calibrate.plan import VALIDATION_SECONDS
from simcore.models.compute.profile import KernelProfile
from simcore.studies.request import Request, argument, option


class ShowRequest(Request):
    """Profiles whose fits are shown."""

    study = "profile show"

    files: str | Path | KernelProfile | Sequence[str | Path | KernelProfile] = argument(
        metavar="FILE...", many=True, help="Profiles: names of the zoo or files."
    )


class CompareRequest(Request):
    """Profiles whose parameters are set side by side."""

    study = "profile compare"

    files: str | Path | KernelProfile | Sequence[str | Path | KernelProfile] = argument(
        metavar="FILE...", many=True, help="Two profiles or more: names of the zoo or files."
    )


class DeriveRequest(Request):
    """A device that nobody measured, and the measured devices that its profile is scaled from."""

    study = "profile derive"

    name: str = argument(metavar="NAME", help="What the device is called.")
    sources: str | Path | KernelProfile | Sequence[str | Path | KernelProfile] = option(
        default=(), flag="--from", many=True, metavar="NAME,NAME,...", help="Profiles of measured devices, two or more."
    )
    sheet: str | Path | None = option(
        default=None, metavar="SHEET", help="Its data sheet: a device of the zoo or a file.  [default: NAME in the zoo]"
    )


class ValidateRequest(Request):
    """Profiles whose predictions are compared with measurements that no fit saw."""

    study = "profile validate"

    files: str | Path | KernelProfile | Sequence[str | Path | KernelProfile] = argument(
        metavar="FILE...", many=True, help="Profiles: names of the zoo or files."
    )
    device: str = option(default="cpu", metavar="cpu|cuda|cuda:N", help="Where to measure.")
    stored: bool = option(default=False, help="Take the errors that the profile holds; measure nothing.")
    measurements: str | Path | None = option(
        default=None, metavar="TABLE", help="Take a table of measured kernels; measure nothing."
    )
    limit: float | None = option(
        default=None,
        flag="--time-limit",
        above=0,
        metavar="SECONDS",
        unit="s",
        help=f"Begin nothing after so long, for each profile.  [default: {VALIDATION_SECONDS[1]:g}]",
    )
