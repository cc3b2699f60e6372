"""Files of what elastic workers cost: sharing, steps and determinism, measured or published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.cluster.overheads import Determinism, Overheads, Shared, SharedStep, least_share
from simcore.models.training.listing import Family
from simcore.readers.profiles import read_profile
from simcore.readers.quantities import Bytes, Entry, Measure, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry

_Count = Annotated[Whole, Field(ge=1)]
_Seconds = Annotated[Time, Field(gt=0)]


class _Shared(Strict):
    model: str
    batch: _Count
    system: Literal["sharing", "packing"]
    workers: _Count
    memory: Annotated[Bytes, Field(gt=0)]
    time: _Seconds | None = None


class _Step(Strict):
    model: str
    batch: _Count
    workers: Annotated[Whole, Field(ge=2)]
    unswitched: _Seconds
    switched: _Seconds
    last: _Seconds
    ddp: _Seconds | None = None


class _Determinism(Strict):
    model: str
    batch: _Count
    gpu: str
    none: _Seconds
    d1: _Seconds
    d2: _Seconds
    family: Family | Literal[""] = ""


class _Overheads(Entry):
    capacity: Annotated[Bytes, Field(gt=0)]
    shrink: Annotated[Measure, Field(gt=0, le=1)] | None = None
    sharing: Annotated[list[_Shared], NotEmpty]
    steps: Annotated[list[_Step], NotEmpty]
    determinism: Annotated[list[_Determinism], NotEmpty]
    rescale: _Seconds | None = None
    memory_gpus: Annotated[list[str], NotEmpty] | None = None


def read_overheads(name_or_path: str | Path | InputFile, place: str = "overheads") -> Read[Overheads]:
    """Read what elastic workers cost.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name, the path of a YAML file, or a profile that ``simcore calibrate --suite easyscale`` wrote.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field; or if nothing of elastic workers was
        measured into a profile.

    Examples
    --------
    >>> round(read_overheads("easyscale").value.steps["electra"].switching, 4)
    1.0197
    """
    file = read_entry("overheads", name_or_path, place, "overheads")
    if file.path.suffix not in {".yaml", ".yml"} and file.text.lstrip().startswith("{"):
        return file.of(_of_profile(file, place))
    data = read_yaml(file.path, _Overheads, "overheads", file.text)
    steps = [SharedStep(**row.model_dump()) for row in data.steps]
    sharing = tuple(Shared(**row.model_dump()) for row in data.sharing)
    determinism = [Determinism(**row.model_dump()) for row in data.determinism]
    return file.of(
        Overheads(
            name=file.name,
            capacity=data.capacity,
            shrink=least_share(sharing) if data.shrink is None else data.shrink,
            sharing=sharing,
            steps={row.model: row for row in steps},
            determinism={(row.model, row.gpu): row for row in determinism},
            rescale=data.rescale,
            memory_gpus=None if data.memory_gpus is None else tuple(data.memory_gpus),
        )
    )


def _of_profile(file: InputFile, place: str) -> Overheads:
    """Return what was measured on one device; a CPU's numbers hold for the type ``cpu``, whatever the file's name."""
    profile = read_profile(file, place).value
    costs = profile.elastic
    if costs is None:
        found, expected = "a profile without costs of elastic workers", "one that has them"
        raise InputError(str(file.path), found, expected, "Add them: simcore calibrate --suite easyscale -o FILE.")
    return Overheads(
        name=profile.name,
        capacity=profile.device.memory,
        shrink=least_share(costs.sharing),
        sharing=costs.sharing,
        steps={row.model: row for row in costs.steps},
        determinism={(row.model, row.gpu): row for row in costs.determinism},
        rescale=costs.rescale,
        gpus=("cpu" if profile.device.kind == "cpu" else profile.name,),
    )
