"""Application files: how many samples the "epoch" of a published trace means, and which batch sizes were published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.files import read_yaml
from simcore.readers.quantities import Measure, Strict, Whole
from simcore.readers.read import InputFile, Read, read_entry


class _ApplicationsFile(Strict):
    """Samples per epoch and batch sizes of every application of a trace format."""

    name: str
    source: str
    samples_per_epoch: dict[str, Annotated[Measure, Field(gt=0)]]
    batch_sizes: dict[str, Annotated[list[Annotated[Whole, Field(ge=1)]], Field(min_length=1)]] = Field(
        default_factory=dict
    )


def read_applications(name_or_path: str | Path | InputFile, place: str = "applications") -> Read[Mapping[str, float]]:
    """Read the samples per epoch of each application of a trace format.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name or the path of a YAML file.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> read_applications("easyscale-sc23").value["bert"]
    886.41
    """
    file, data = _read(name_or_path, place)
    return file.of(data.samples_per_epoch)


def read_batch_sizes(
    name_or_path: str | Path | InputFile, place: str = "applications"
) -> Read[Mapping[str, tuple[int, ...]]]:
    """Read the published batch sizes of each application, as `read_applications` reads samples.

    Examples
    --------
    >>> read_batch_sizes("easyscale-sc23").value["bert"]
    (4, 8, 16)
    """
    file, data = _read(name_or_path, place)
    return file.of({name: tuple(sizes) for name, sizes in data.batch_sizes.items()})


def _read(name_or_path: str | Path | InputFile, place: str) -> tuple[InputFile, _ApplicationsFile]:
    file = read_entry("applications", name_or_path, place, "applications")
    return file, read_yaml(file.path, _ApplicationsFile, "applications", file.text)
