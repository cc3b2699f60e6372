"""ASCII terminals get ASCII: tables' lines, signs and names, without a character that they would not show."""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from typing import Any

CODEC = "simcore_ascii"
"""The encoding of a stream that can show ASCII only; click takes plain ASCII for a mistake and writes UTF-8."""

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍‐‑‒–—−", "-"), **dict.fromkeys("│┃║", "|"), **dict.fromkeys("┼╋╬├┤┬┴┌┐└┘╭╮╯╰╸╺", "+"),
        **dict.fromkeys("µμ", "u"), **dict.fromkeys("‘’", "'"), **dict.fromkeys("“”", '"'), **dict.fromkeys("·•", "*"),
        "×": "x", "±": "+-", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "…": "...", "°": " deg", "²": "^2",
        "³": "^3", "Σ": "sum", "Δ": "delta", "∞": "inf", "√": "sqrt", "█": "#", "▁": "_",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    r"""Return a text in ASCII: signs as people type them, letters without accents, all else escaped.

    Examples
    --------
    >>> print(to_ascii("4 × 8 ± 2 µs → café 東"))
    4 x 8 +- 2 us -> cafe \u6771
    """
    if text.isascii():
        return text
    return "".join(each if each.isascii() else _letter(each) for each in text.translate(_SIGNS))


def _letter(sign: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(each))
    return plain if plain and plain.isascii() else sign.encode("unicode_escape").decode("ascii")


def escaped_json(text: str) -> str:
    r"""Return JSON with its characters beyond ASCII escaped: it says the same.

    Examples
    --------
    >>> print(escaped_json('"4 × 8"'))
    "4 \u00d7 8"
    """
    units = re.compile("[^\x00-\x7f]")
    return units.sub(lambda each: "".join(f"\\u{unit:04x}" for unit in _units(each[0])), text)


def _units(sign: str) -> list[int]:
    data = sign.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


class _Encoder(codecs.IncrementalEncoder):
    def encode(self, input: str, final: bool = False) -> bytes:
        return to_ascii(input).encode("ascii")


def _codec(name: str) -> codecs.CodecInfo | None:
    if name != CODEC:
        return None
    latin = codecs.lookup("ascii")

    def encode(text: str, _: str = "strict") -> tuple[bytes, int]:
        return to_ascii(text).encode("ascii"), len(text)

    return codecs.CodecInfo(encode, latin.decode, latin.streamreader, latin.streamwriter, _Encoder, name=CODEC)


def speak_ascii() -> None:
    """Make standard output and error write ASCII where that is all that they can show."""
    for stream in (sys.stdout, sys.stderr):
        if _wants_ascii(stream) and hasattr(stream, "reconfigure"):
            codecs.register(_codec)
            stream.reconfigure(encoding=CODEC)


def _wants_ascii(stream: Any) -> bool:
    """Tell whether a stream is ASCII, or a terminal of a user whose locale says so: Python takes that for UTF-8."""
    try:
        name = codecs.lookup(getattr(stream, "encoding", None) or "ascii").name
    except LookupError:
        return False
    says = next((os.environ[each] for each in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(each)), "")
    chosen = "PYTHONIOENCODING" in os.environ or "PYTHONUTF8" in os.environ
    return name == "ascii" or (not chosen and says in {"C", "POSIX"} and stream.isatty())


def speaks_ascii(stream: Any) -> bool:
    """Tell whether a stream writes ASCII only."""
    return getattr(stream, "encoding", None) == CODEC
