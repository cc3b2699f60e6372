"""Kernel profiles of the zoo or from a file: whole, of this schema, unedited, and in the right form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.files import validate
from simcore.models.compute.profile import KernelProfile
from simcore.readers import zoo
from simcore.readers.check_profile import check
from simcore.readers.profile_json import read_document
from simcore.readers.published import read_published
from simcore.readers.quantities import Strict

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Positives = dict[str, _Positive]


class _Device(Strict):
    name: str = Field(min_length=1)
    kind: Literal["cuda", "cpu"]
    processors: int = Field(ge=1)
    memory_B: _Positive
    bandwidth_B_per_s: float = Field(ge=0, allow_inf_nan=False)
    cache_B: float = Field(ge=0, allow_inf_nan=False)
    clock_Hz: float = Field(ge=0, allow_inf_nan=False)
    peaks_FLOP_per_s: _Positives
    sources: dict[str, str]


class _Fit(Strict):
    kernel: str = Field(min_length=1)
    dtype: str = Field(min_length=1)
    formula: str
    parameters: dict[str, float]
    ranges: dict[str, tuple[_Finite, _Finite]]
    residuals: list[_Finite]
    held_out: list[_Finite]
    spread: float = Field(ge=0, allow_inf_nan=False)
    origin: str
    source: str


class _Sample(Strict):
    kernel: str = Field(min_length=1)
    dtype: str = Field(min_length=1)
    shape: dict[str, _Finite]
    seconds: _Positive
    spread: float = Field(ge=0, allow_inf_nan=False)
    repeats: int = Field(ge=1)
    held_out: bool
    error: float | None
    note: str
    passes: list[_Positive]


class _Profile(Strict):
    schema_version: int = Field(alias="schema")
    name: str = Field(min_length=1)
    description: str
    source: str
    origin: Literal["measured", "published"]
    device: _Device
    fingerprint: dict[str, str]
    fits: list[_Fit]
    samples: list[_Sample]
    sha256: str


def load_profile(name_or_path: str | Path, place: str = "--profile") -> KernelProfile:
    """Load a kernel profile.

    Parameters
    ----------
    name_or_path : str or Path
        An entry of the zoo, such as ``v100-16gb``, a file that ``simcore calibrate`` wrote, or a YAML file that names a
        device of the zoo and published times of its kernels.
    place : str
        The option that gave it, for messages.

    Raises
    ------
    InputError
        If there is none, or it is truncated, edited, of another schema version or malformed.

    Examples
    --------
    >>> load_profile("t4").device.processors
    40
    """
    path = zoo.find("profiles", name_or_path, place)
    if path.suffix in {".yaml", ".yml"}:
        return read_published(path)
    document = read_document(path)
    validate(_Profile, document, str(path), {})
    profile = KernelProfile.from_document(document)
    check(path, profile)
    return profile
