"""How fields of a request are spelled on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simcore.studies.request import Description


def with_values(args: Sequence[str], bare: Mapping[str, Description]) -> list[str]:
    """Write out what options mean that stand without a value."""
    written = []
    for word, after in zip_longest(args, args[1:], fillvalue=""):
        each = bare.get(word)
        words = () if each is None else tuple(choice.lower() for choice in each.choices)
        written.append(word if each is None or after.lower() in words else f"{word}={each.bare}")
    return written


def flag_of(name: str) -> str:
    """Return the option of a field.

    Examples
    --------
    >>> flag_of("in_flight")
    '--in-flight'
    """
    return f"--{name.replace('_', '-')}"


def spellings(name: str, description: Description) -> list[str]:
    """Return the options of a field: that of its help, and others that mean the same."""
    return (description.flag or flag_of(name)).split(", ")


def names_of(
    fields: Mapping[str, Description], replaced: Iterable[str] = (), options: Mapping[str, str] | None = None
) -> Callable[[str], str]:
    """Return what maps a name to what gives it on the command line: a field's argument or option, or another option.

    Fields in `replaced` are given by the option that takes their place; `options` are further ones by name.
    """
    names = dict(options or {})
    for name, each in fields.items():
        if each.instead is not None and name in replaced:
            names[name] = each.instead.flag
        elif each.positional:
            names[name] = (each.metavar or name.upper()).strip("[].")
        else:
            names[name] = spellings(name, each)[0].partition("/")[0]
    return lambda name: names.get(name, name)


def with_brackets(text: str, default: Any, limits: str) -> str:
    """Return a help text with the default and the limits of its values at the end.

    Examples
    --------
    >>> with_brackets("How many.", 4, "at least 1"), with_brackets("Delay.  [default: 20]", None, "above 0")
    ('How many.  [default: 4; at least 1]', 'Delay.  [default: 20; above 0]')
    """
    text, bracket, said = text.partition("  [default: ")
    said = said.removesuffix("]")
    if not bracket and default not in (None, (), ""):
        said = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    parts = [f"default: {said}"] if said else []
    parts += [limits] if limits else []
    return f"{text}  [{'; '.join(parts)}]" if parts else text
