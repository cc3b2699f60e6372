"""From a text to a document, in whichever of the two formats it is."""

from __future__ import annotations

from simcore.documents.document import Document
from simcore.documents.json_format import JsonLines, NoJSON, parse_json


def parse(text: str) -> Document:
    """Read a document: JSON where it is JSON, else YAML.

    Raises
    ------
    Broken
        If it is neither, or holds a name twice, or more than any reader takes.

    Examples
    --------
    >>> parse('{"tp": 8}').data, parse("tp: 8").data, parse("{tp: 8}").data
    ({'tp': 8}, {'tp': 8}, {'tp': 8})
    """
    if text.lstrip().startswith("{"):
        try:
            return Document(parse_json(text), JsonLines(text))
        except NoJSON:  # a mapping of YAML starts with the same brace
            pass
    from simcore.documents.yaml_format import parse_yaml  # with a package that JSON does not need

    return parse_yaml(text)
