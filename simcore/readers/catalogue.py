"""The zoo as a catalogue: entries of any kind, YAML, JSON or CSV, without knowing what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from simcore.documents import parse
from simcore.errors import InputError, by_name, unknown_name
from simcore.files import csv_rows
from simcore.models.cluster.policies.options import option_defaults
from simcore.models.cluster.policies.registry import POLICIES, policy_class
from simcore.readers.profile_json import parse_document
from simcore.readers.read import InputFile, read_entry
from simcore.readers.zoo import kinds, names


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
    header : tuple of str
        Columns of a CSV file; empty for a YAML file.
    rows : tuple of tuple of str
        What a CSV file holds, as text.
    comments : tuple of str
        Comment lines of a CSV file between the one that describes it and its source.
    """

    kind: str
    name: str
    description: str
    source: str
    fields: dict[str, Any] | None = None
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for a list: the description, of a network after its sizes."""
        dimensions = (self.fields or {}).get("dimensions", []) if self.kind == "networks" else []
        sizes = " x ".join(str(each["size"]) for each in dimensions)
        return f"{sizes}: {self.description}" if sizes else self.description

    @property
    def below(self) -> tuple[tuple[str, str], ...]:
        """Lines for a list under that of the entry, each with its key: of a policy options and source."""
        if self.kind != POLICY_KIND:
            return ()
        options = ", ".join(f"{name}={value}" for name, value in (self.fields or {})["options"].items())
        return (*((("options", options),) if options else ()), ("source", self.source))

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        document: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "description": self.description,
            "source": self.source,
        }
        if self.header:
            document["comments"] = list(self.comments)
            document["rows"] = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        else:
            document["fields"] = self.fields
        return document


DIRECTIONS = {
    "devices": "link_bandwidth is the sum of both directions, as data sheets have it; a network's bandwidth is of one "
    "direction, half of that",
    "networks": "a bandwidth is what one NPU sends in one direction",
}
"""What a reader must know of the bandwidths of a kind."""


POLICY_KIND = "policies"
"""A kind without files: the scheduling policies, which are code."""


def catalogued() -> dict[str, list[str]]:
    """Return all kinds with the names of their entries.

    Examples
    --------
    >>> "tiresias" in catalogued()["policies"]
    True
    """
    listed = {kind: names(kind) for kind in kinds()} | {POLICY_KIND: sorted(POLICIES)}
    return dict(sorted(listed.items()))


def listed(kind: str) -> dict[str, Any]:
    """Return a kind with its entries as plain containers for JSON; of policies options and sources too."""
    found = entries(kind)
    document: dict[str, Any] = {"kind": kind, "entries": {one.name: one.description for one in found}}
    if kind == POLICY_KIND:
        document["options"] = {one.name: (one.fields or {})["options"] for one in found}
        document["sources"] = {one.name: one.source for one in found}
    return document


def _policy(name: str) -> ZooEntry:
    """Describe a policy by its class: the first line says what it does, ``Source:`` where the rule is from."""
    policy = policy_class(name)
    text = " ".join((policy.__doc__ or "").split("\n    Attributes\n")[0].split())
    rule, _, source = text.partition("Source:")
    options = {option: str(value) for option, value in option_defaults(policy).items()}
    first, _, rest = rule.strip().partition(". ")
    fields = {"rule": rest.strip(), "options": options}
    return ZooEntry(POLICY_KIND, name, f"{first.removesuffix('.')}.", source.strip(), fields=fields)


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
    return [entry(kind, name) for name in catalogued()[kind]]


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
    known = by_name(name, catalogued()[kind])
    if known is None:
        raise unknown_name("NAME", name, catalogued()[kind])
    if kind == POLICY_KIND:
        return _policy(known)
    file = read_entry(kind, name, "NAME", kind)
    read = {".json": _from_profile, ".csv": _from_csv}.get(file.path.suffix, _from_yaml)
    return read(kind, file)


def kind_of(wanted: str) -> str:
    """Return the kind that a word means: any case, one or many."""
    for kind in catalogued():
        one = f"{kind.removesuffix('ies')}y" if kind.endswith("ies") else kind.removesuffix("s")
        if wanted.lower() in {kind, one}:
            return kind
    raise unknown_name("KIND", wanted, catalogued())


def _from_csv(kind: str, file: InputFile) -> ZooEntry:
    """Comment lines before the header describe the table; what follows ``source:`` tells where it is from."""
    above = takewhile(lambda line: line.startswith("#"), file.text.splitlines())
    comments = [line.lstrip("#").strip() for line in above]
    start = next((i for i, line in enumerate(comments) if line.lower().startswith("source:")), len(comments))
    rest, source = comments[:start], " ".join(comments[start:])[len("source:") :].strip()
    header, rows = csv_rows(file.text, str(file.path), kind)
    table = tuple(tuple(fields) for _, fields in rows)
    about = rest[0] if rest else "", source
    return ZooEntry(kind, file.name, *about, header=tuple(header), rows=table, comments=tuple(rest[1:]))


def _from_profile(kind: str, file: InputFile) -> ZooEntry:
    """Show a kernel profile without its samples, which ``simcore profile show`` has."""
    document = parse_document(file.path, file.text)
    document["samples"] = len(document["samples"])
    about = str(document.pop("description")), str(document.pop("source"))
    document["fits"] = [{key: fit[key] for key in ("kernel", "dtype", "origin")} for fit in document["fits"]]
    return ZooEntry(kind, file.name, *about, fields=document)


def _from_yaml(kind: str, file: InputFile) -> ZooEntry:
    data = parse(file.text).data
    if not isinstance(data, dict):
        raise InputError(str(file.path), f"a {type(data).__name__}", "a mapping")
    first = file.text.lstrip().splitlines()[0]
    described = data.pop("description", "") or (first.lstrip("# ") if first.startswith("#") else "")
    return ZooEntry(kind, file.name, str(described).strip(), str(data.pop("source", "")).strip(), fields=data)
