"""What `simcore zoo` shows: entries of any kind, YAML or CSV, without knowing what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from simcore.errors import InputError, unknown_name
from simcore.files import csv_rows, read_text
from simcore.readers.profile_json import read_document
from simcore.readers.zoo import find, kinds, names
from simcore.results import Table


@dataclass(frozen=True)
class ZooEntry:
    """One file of the zoo.

    Attributes
    ----------
    kind, name : str
        Folder and file name without its suffix.
    description : str
        One line.
    source : str
        Where the numbers come from.
    fields : mapping or None
        What a YAML file holds beside description and source; None for a table.
    table : Table or None
        What a CSV file holds, as text; None for a YAML file.
    comments : tuple of str
        Comment lines of a CSV file between the one that describes it and its source.
    """

    kind: str
    name: str
    description: str
    source: str
    fields: dict[str, Any] | None = None
    table: Table | None = None
    comments: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for a list: the description, of a network after its sizes."""
        dimensions = (self.fields or {}).get("dimensions", []) if self.kind == "networks" else []
        sizes = " x ".join(str(each["size"]) for each in dimensions)
        return f"{sizes}: {self.description}" if sizes else self.description

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        document: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "description": self.description,
            "source": self.source,
        }
        if self.table is not None:
            document["comments"] = list(self.comments)
            document["rows"] = [dict(row) for row in self.table]
        else:
            document["fields"] = self.fields
        return document


def entries(kind: str) -> list[ZooEntry]:
    """Return all entries of one kind, sorted by name.

    Raises
    ------
    InputError
        If there is no such kind, with the closest one.

    Examples
    --------
    >>> [entry.name for entry in entries("costs")]
    ['libra-3d', 'libra-4d', 'sc245']
    """
    kind = kind_of(kind)
    return [entry(kind, name) for name in names(kind)]


def entry(kind: str, name: str) -> ZooEntry:
    """Return one entry.

    Raises
    ------
    InputError
        If there is no such kind or entry, with the closest one.

    Examples
    --------
    >>> entry("networks", "4D").fields["dimensions"][0]["block"]
    'Ring'
    """
    kind = kind_of(kind)
    if name.lower() not in {known.lower() for known in names(kind)}:
        raise unknown_name("NAME", name, names(kind))
    path = find(kind, name, "NAME")
    text = read_text(path, kind)
    if path.suffix == ".json":
        return _from_profile(kind, path)
    return _from_csv(kind, path, text) if path.suffix == ".csv" else _from_yaml(kind, path, text)


def kind_of(wanted: str) -> str:
    """Return the kind that a word means: any case, one or many."""
    for kind in kinds():
        if wanted.lower() in {kind, kind.removesuffix("s")}:
            return kind
    raise unknown_name("KIND", wanted, kinds())


def _from_csv(kind: str, path: Path, text: str) -> ZooEntry:
    """Comment lines before the header describe the table; what follows ``source:`` tells where it is from."""
    comments = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    start = next((i for i, line in enumerate(comments) if line.lower().startswith("source:")), len(comments))
    rest, source = comments[:start], " ".join(comments[start:])[len("source:") :].strip()
    header, rows = csv_rows(text, str(path), kind)
    table = Table(header, [fields for _, fields in rows])
    return ZooEntry(kind, path.stem, rest[0] if rest else "", source, table=table, comments=tuple(rest[1:]))


def _from_profile(kind: str, path: Path) -> ZooEntry:
    """Show a kernel profile without its samples, which ``simcore profile show`` has."""
    document = read_document(path)
    document["samples"] = len(document["samples"])
    about = str(document.pop("description")), str(document.pop("source"))
    document["fits"] = [{key: fit[key] for key in ("kernel", "dtype", "origin")} for fit in document["fits"]]
    return ZooEntry(kind, path.stem, *about, fields=document)


def _from_yaml(kind: str, path: Path, text: str) -> ZooEntry:
    import yaml

    data = yaml.safe_load(text)
    if not isinstance(data, dict):
        raise InputError(str(path), f"a {type(data).__name__}", "a mapping")
    first = text.lstrip().splitlines()[0]
    described = data.pop("description", "") or (first.lstrip("# ") if first.startswith("#") else "")
    return ZooEntry(kind, path.stem, str(described).strip(), str(data.pop("source", "")).strip(), fields=data)
