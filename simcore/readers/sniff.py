"""Telling file formats apart by what is in them, never by their name."""

from __future__ import annotations

from functools import lru_cache

from simcore.documents import Broken, parse, parse_json
from simcore.readers.read import InputFile

_OWN_FIELDS = {"prices", "count_links"}
"""Of a cost model in simcore's own format."""


def json_or_yaml(file: InputFile, what: str) -> str:
    """Return the text of a file of YAML, JSON or layers; broken JSON is refused here.

    Parameters
    ----------
    file : InputFile
        The file.
    what : str
        What it is, for messages: ``network``.

    Raises
    ------
    InputError
        If it starts like JSON and is none: naming file, line and column; also for what Python does not parse.
    """
    if file.text.lstrip().startswith("{"):
        try:
            parse_json(file.text)
        except Broken as broken:
            raise broken.error(str(file.path), f"a {what} file") from None
    return file.text


def significant_lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines that hold more than blanks and ``#`` comments."""
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"]


def top_fields(text: str) -> set[str]:
    """Return the names at the top level of a YAML or JSON mapping; none where it is neither, or broken.

    Examples
    --------
    >>> sorted(top_fields('{"npus-count": [8, 128], "topology": ["Ring", "Switch"]}'))
    ['npus-count', 'topology']
    >>> top_fields("HYBRID_TRANSFORMER")
    set()
    """
    return set(_names(text))


@lru_cache(maxsize=64)
def _names(text: str) -> frozenset[str]:
    """As `top_fields`; whoever finds out what a file is asks for the same text again."""
    try:
        data = parse(text).data
    except Broken:
        return frozenset()
    return frozenset(data) if isinstance(data, dict) else frozenset()


def is_layer_text(text: str) -> bool:
    """Tell whether a text is an ASTRA-sim workload: its first words are no mapping's.

    Examples
    --------
    >>> is_layer_text("Q1 -1 10 NONE 0 10 NONE 0 10 NONE 0 10"), is_layer_text("hidden: 4256")
    (True, False)
    """
    lines = significant_lines(text)
    if not lines:
        return False
    words = lines[0][1].split()
    return words[0][0] not in "{[" and ":" not in words[0] and words[0] != "---"


def plain(name: object) -> str:
    """Return a name without hyphens, underscores, blanks and capitals.

    Examples
    --------
    >>> plain("NpusCount"), plain("npus-count")
    ('npuscount', 'npuscount')
    """
    return str(name).replace("-", "").replace("_", "").replace(" ", "").lower()


def is_foreign_network(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of another program's network.

    Examples
    --------
    >>> is_foreign_network({"Topology", "NpusCount"}), is_foreign_network({"dimensions", "source"})
    (True, False)
    """
    return is_per_dimension(fields) or bool({plain(field) for field in fields} & {"topology", "npuscount"})


def is_per_dimension(fields: set[str]) -> bool:
    """Tell whether another program's network is one of ASTRA-sim 1.0."""
    return bool({plain(field) for field in fields} & {"topologiesperdim", "unitscount"})


def is_price_table(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields can be levels: none of them is a field of simcore's own format."""
    return bool(fields) and not fields & _OWN_FIELDS
