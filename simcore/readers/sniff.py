"""Telling file formats apart by what is in them, never by their name."""

from __future__ import annotations

import json

from simcore.errors import InputError
from simcore.readers.read import InputFile

_OWN_FIELDS = {"prices", "count_links"}
"""Of a cost model in simcore's own format."""


def json_or_yaml(file: InputFile, what: str) -> str:
    """Return the text of a file of YAML, JSON or layers; broken JSON is refused here, and its tabs become blanks.

    Parameters
    ----------
    file : InputFile
        The file.
    what : str
        What it is, for messages: ``network``.

    Raises
    ------
    InputError
        If it starts like JSON and is none: naming file, line and column.
    """
    if not file.text.lstrip().startswith("{"):
        return file.text
    try:
        json.loads(file.text)
    except json.JSONDecodeError as error:
        where = f"{file.path}, line {error.lineno}, column {error.colno}"
        raise InputError(where, f"broken JSON ({error.msg})", f"a {what} file") from None
    return file.text.expandtabs(1)


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
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return set()
    if not isinstance(node, yaml.MappingNode):
        return set()
    return {str(key.value) for key, _ in node.value}


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


def is_foreign_network(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of another program's network."""
    return bool({field.replace("_", "-") for field in fields} & {"npus-count", "topologies-per-dim"})


def is_price_table(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields can be levels: none of them is a field of simcore's own format."""
    return bool(fields) and not fields & _OWN_FIELDS
