"""One read of one input file: what every reader starts from, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from simcore.files import MOST_BYTES, decode, read_bytes, sha256
from simcore.readers import zoo

T = TypeVar("T")


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a reader returns.

    Attributes
    ----------
    value : object
        What the file holds, as a noun of the models.
    name : str
        The entry's name in the zoo, or the path as it was given.
    sha256 : str
        Of the file's bytes, in hexadecimal.

    Examples
    --------
    >>> from simcore.readers import read_costs
    >>> costs = read_costs("SC245")
    >>> costs.name, len(costs.sha256), sorted(costs.value.levels)
    ('sc245', 64, ['Node', 'Package', 'Pod', 'Tile'])
    """

    value: T
    name: str
    sha256: str


@dataclass(frozen=True)
class InputFile:
    """The text of an input file, read once; any reader takes it in place of a name or a path.

    Attributes
    ----------
    path : Path
        Where it is, for messages.
    name : str
        The entry's name in the zoo, or the path as it was given.
    text : str
        Its content, without a byte-order mark.
    sha256 : str
        Of its bytes, in hexadecimal.
    """

    path: Path
    name: str
    text: str
    sha256: str

    def of(self, value: T) -> Read[T]:
        """Return what was read of this file."""
        return Read(value, self.name, self.sha256)


def read_path(path: Path, what: str, name: str = "", most: int | None = MOST_BYTES) -> InputFile:
    """Read a file that is no entry of the zoo, or is known to be there.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is, for messages: ``communicator``.
    name : str
        What to call it; its path by default.
    most : int or None
        Bytes that it may have at most; None for any number.

    Raises
    ------
    InputError
        If there is no such file, it is no UTF-8 text, or too large.
    """
    data = read_bytes(path, what, most)
    return InputFile(path, name or str(path), decode(data, path, what), sha256(data))


def read_entry(
    kind: str | tuple[str, ...],
    name_or_path: str | Path | InputFile,
    place: str,
    what: str,
    fits: Callable[[str], bool] = lambda name: True,
) -> InputFile:
    """Read an entry of the zoo, or the user's own file; a file that was read already is returned as it is.

    Parameters
    ----------
    kind : str or tuple of str
        A folder of the zoo, such as ``clusters``, or several.
    name_or_path : str, Path or InputFile
        An entry's name (any case), a path, or the file itself.
    place : str
        The field that gave it, for messages.
    what : str
        What the file is, for messages: ``cluster``.
    fits : callable
        Tells which names a message may offer.

    Raises
    ------
    InputError
        If it is neither entry nor file, with the closest name, or cannot be read.

    Examples
    --------
    >>> file = read_entry("networks", "4d", "network", "network")
    >>> file.name, file.path.name
    ('4D', '4D.yaml')
    """
    if isinstance(name_or_path, InputFile):
        return name_or_path
    path = zoo.find(kind, name_or_path, place, fits)
    folders = (kind,) if isinstance(kind, str) else kind
    ours = any(path.parent == zoo.ROOT / folder for folder in folders)
    return read_path(path, what, path.stem if ours else str(name_or_path))
