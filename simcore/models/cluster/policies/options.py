"""Options of a policy: the fields of its class, given as text (``max_waste=0.2,max_growth=4``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

from simcore.errors import InputError, shortened, unknown_name
from simcore.models.cluster.policy import Policy
from simcore.numerals import REAL, WHOLE, asked_for, parse_real, parse_whole

_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_READERS: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: (lambda text: _YES_NO[text.lower()], "yes or no"),
    int: (lambda text: parse_whole(text, ""), WHOLE),
    float: (lambda text: parse_real(text, ""), REAL),
    str: (str, "a text"),
}


def option_defaults(policy: type[Policy]) -> dict[str, Any]:
    """Return the options of a policy's class with their defaults; one that has none is ``dataclasses.MISSING``.

    Examples
    --------
    >>> from simcore.models.cluster.policies.easyscale import EasyScaleHeter
    >>> option_defaults(EasyScaleHeter)
    {'max_waste': 0.3, 'max_growth': 2.0}
    """
    if not is_dataclass(policy):
        return {}
    return {each.name: _default(each) for each in fields(policy) if each.init}


def _default(option: Field[Any]) -> Any:
    return option.default if option.default_factory is MISSING else option.default_factory()


def with_options(policy: type[Policy], text: str, place: str) -> Policy:
    """Make a policy with the options that a text gives, and defaults for the others.

    Parameters
    ----------
    policy : type of Policy
        Its class, a dataclass if it has options.
    text : str
        ``option=value,option=value``, or empty.
    place : str
        What named the policy, for messages.

    Raises
    ------
    InputError
        If an option is unknown, comes twice or has a value that is not of its type, or if the policy refuses it.

    Examples
    --------
    >>> from simcore.models.cluster.policies.easyscale import EasyScaleHeter
    >>> with_options(EasyScaleHeter, "max_growth=4", "--policy").max_growth
    4.0
    """
    known = option_defaults(policy)
    types = get_type_hints(policy) if known else {}
    values: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        if name not in known:
            raise _unknown(name, known, place)
        where = f"{place}, option '{name}'"
        if name in values:
            raise InputError(where, f"'{item}' after another", "each option once", "Remove one of them.")
        if types[name] not in _READERS:
            raise InputError(where, "an option of a type that has no text", "an option of type bool, int, float or str")
        read, expected = _READERS[types[name]]
        try:
            values[name] = read(value)
        except (InputError, KeyError):
            found = f"'{shortened(value, 60)}'" if equals else "no value"
            raise InputError(where, found, asked_for(value, expected)) from None
    missing = [name for name, default in known.items() if default is MISSING and name not in values]
    if missing:
        raise InputError(place, f"no {missing[0]}", "a value for it", f"Write :{missing[0]}=VALUE after the name.")
    try:
        return policy(**values)
    except InputError as error:  # the policy's own check names its option
        raise InputError(f"{place}, option '{error.place}'", error.found, error.expected, error.remedy) from None


def _unknown(name: str, known: dict[str, Any], place: str) -> InputError:
    if not known:
        return InputError(place, f"the option '{name}'", "none, because this policy has no options")
    return unknown_name(place, name, known)
