"""Application files: how many samples the "epoch" of a published trace means."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveFloat

from simcore.files import read_yaml
from simcore.readers import zoo


class ApplicationsFile(BaseModel):
    """Samples per epoch of every application of a trace format."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    source: str
    samples_per_epoch: dict[str, PositiveFloat]


def samples_per_epoch(name: str) -> dict[str, float]:
    """Return the samples per epoch of an application file of the zoo.

    Examples
    --------
    >>> samples_per_epoch("easyscale-sc23")["bert"]
    886.41
    """
    path = zoo.find("applications", name, "applications")
    return read_yaml(path, ApplicationsFile, "applications").samples_per_epoch
