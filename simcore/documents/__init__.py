"""JSON and YAML read safely: the one place where text becomes names and values.

Nothing that stands in a file costs more than reading it: size, depth and number of values are bounded before anything
else looks at them. A name that stands twice is refused. Numbers are left to the fields that take them, see
`simcore.numerals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.documents.document import Broken, Document
    from simcore.documents.formats import parse
    from simcore.documents.json_format import parse_json

__getattr__, __dir__ = attach(
    __name__,
    {
        "Broken": "simcore.documents.document",
        "Document": "simcore.documents.document",
        "parse": "simcore.documents.formats",
        "parse_json": "simcore.documents.json_format",
    },
)

__all__ = ["Broken", "Document", "parse", "parse_json"]
