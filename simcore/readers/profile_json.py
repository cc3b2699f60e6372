"""Kernel profiles as JSON text, without any schema library: a machine that calibrates may have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simcore.documents import Broken, parse_json
from simcore.errors import InputError
from simcore.files import read_text
from simcore.models.compute.profile import SCHEMA, KernelProfile, content_hash


def profile_text(profile: KernelProfile) -> str:
    """Return a profile as JSON text: a line per sample and per fit, so that two files can be compared by eye."""
    document = profile.as_document()
    lines = []
    for key, value in document.items():
        if key in {"samples", "fits"} and value:
            inner = ",\n".join(f"    {_line(one)}" for one in value)
            text = f"[\n{inner}\n  ]"
        else:
            text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).replace("\n", "\n  ")
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: object) -> str:
    """Return JSON on one line, without spaces: the trees of a correction are thousands of numbers."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_document(path: Path) -> dict[str, Any]:
    """Read the document of a profile from a file, see `parse_document`."""
    return parse_document(path, read_text(path, "profile"))


def parse_document(path: Path, text: str) -> dict[str, Any]:
    """Return the document of a profile that is whole, of this schema and unedited, as its hash proves.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str
        Its content.

    Raises
    ------
    InputError
        If the file is truncated, of another schema version, or edited.
    """
    expected = f"a kernel profile of schema {SCHEMA}"
    if not text.strip():
        raise InputError(str(path), "an empty file", expected, "Name a file that simcore calibrate wrote.")
    try:
        document = parse_json(text)
    except Broken as broken:
        raise broken.error(str(path), expected, "It may be truncated: calibrate again, or fetch it anew.") from None
    if isinstance(document, dict):
        document.pop("provenance", None)  # of a document that `profile show --json` printed
    if not isinstance(document, dict) or "schema" not in document:
        raise InputError(str(path), "no field 'schema'", expected, "Name a file that simcore calibrate wrote.")
    if document["schema"] != SCHEMA:
        remedy = "Calibrate again with this version of simcore."
        raise InputError(f"{path}, field 'schema'", f"{document['schema']!r}", f"{SCHEMA}", remedy)
    try:
        found = content_hash(document)
    except ValueError:
        raise InputError(
            str(path), "NaN, Infinity or a number beyond them", "finite numbers", "Calibrate again."
        ) from None
    if found != document.get("sha256"):
        remedy = "It was edited or cut: calibrate again, or restore the file."
        wanted = str(document.get("sha256", "none"))[:12]
        mismatch = f"{wanted}..., a hash mismatch"
        raise InputError(f"{path}, field 'sha256'", mismatch, f"{found[:12]}..., the content's", remedy)
    return document
