"""Files of collectives of one's own: sends of chunks from NPU to NPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.files import read_yaml
from simcore.models.network.collectives import Collective
from simcore.models.network.messages.program import MOST_SENDS, Checked, Program, Send, checked
from simcore.readers.quantities import Entry, Flag, Name, NotEmpty, Strict, Whole
from simcore.readers.ranks import listed
from simcore.readers.read import InputFile, Read, read_path

_Number = Annotated[Whole, Field(ge=0)]


class _Send(Strict):
    source: _Number = Field(alias="from")
    target: _Number = Field(alias="to")
    chunk: _Number | str
    reduce: Flag = False
    id: Name = ""
    after: list[Name] | Name = Field(default_factory=list)
    channel: _Number | None = None


class _ProgramFile(Entry):
    name: str = ""
    collective: Collective
    npus: Annotated[Whole, Field(ge=2)]
    chunks: Annotated[Whole, Field(ge=1, le=MOST_SENDS)]
    sends: Annotated[list[_Send], NotEmpty]


def read_program(path: str | Path | InputFile) -> Read[Checked]:
    """Read a collective of one's own.

    Parameters
    ----------
    path : str, Path or InputFile
        A YAML file with ``collective``, ``npus``, ``chunks`` and ``sends``.

    Returns
    -------
    Read of Checked
        A program that ends and leaves what the collective promises.

    Raises
    ------
    InputError
        Naming file, line and field, or the send at which it goes wrong.
    """
    file = path if isinstance(path, InputFile) else read_path(Path(path), "collective", str(path))
    data = read_yaml(file.path, _ProgramFile, "collective", file.text)
    sends = tuple(
        Send(each.source, each.target, _chunks(each.chunk, f"{file.path}, field 'sends.{number}.chunk'"), each.reduce,
             each.id, tuple([each.after] if isinstance(each.after, str) else each.after), each.channel)
        for number, each in enumerate(data.sends)
    )  # fmt: skip
    name = data.name or file.path.stem
    return file.of(checked(Program(name, data.collective, data.npus, data.chunks, sends), str(file.path)))


def _chunks(given: int | str, place: str) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(listed(given, place, lambda last: None, "chunks"))
