"""A study's inputs as one frozen record: what every field is called, means and may be is declared once, here.

The command line makes its options from the fields, the run takes the record, and a result's provenance holds it. So
``study(**result.provenance.inputs)`` makes a result again.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, TypeVar, dataclass_transform

from simcore.errors import InputError, field, unknown_name, written

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", bound="Request")
T = TypeVar("T")

_MEMORY = "in_memory"
_PATH = re.compile(r"\bPath\b")


@dataclasses.dataclass(frozen=True)
class Instead:
    """An option of the command line that gives an argument by name.

    Attributes
    ----------
    flag : str
        For example ``--model``.
    metavar, help : str
        For the command's help.
    omits : tuple of str
        Further arguments that are left out where the option is given.
    """

    flag: str
    metavar: str
    help: str
    omits: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Description:
    """What a field is, beside its name, type and default.

    Attributes
    ----------
    help : str
        One sentence for the command's help and the function's documentation.
    unit : str
        For example ``s`` or ``B/s``; empty for none.
    choices : tuple of str
        Words that it may be, in any case; empty for any.
    beside : str
        What it may be beside these words, such as ``FILE.py:CLASS``; empty for nothing else. The run checks it.
    bare : str
        What the option means without a value; empty where it needs one.
    least, most : float or None
        The smallest and the largest number that it may be.
    above, below : float or None
        What a number has to be above, and below, where it may not be these themselves.
    metavar : str
        What stands for the value in the command's help.
    flag : str
        The option; empty for the name with dashes. ``--small/--full`` is a switch of two positions, and of
        ``--models, --model`` both mean the same.
    positional : bool
        Whether it is an argument rather than an option.
    many : bool
        Whether it takes any number of values.
    instead : Instead or None
        An option that gives the argument by name.
    scripts_only : bool
        Whether the command line has no option for it.
    written : bool
        Whether its path is that of a file that is written, not read.
    """

    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    metavar: str = ""
    flag: str = ""
    positional: bool = False
    many: bool = False
    instead: Instead | None = None
    scripts_only: bool = False
    beside: str = ""
    bare: str = ""
    most: float | None = None
    above: float | None = None
    below: float | None = None
    written: bool = False

    @property
    def limits(self) -> str:
        """Between which numbers it is, in words; empty for any.

        Examples
        --------
        >>> Description("", least=1).limits, Description("", least=0, below=1).limits, Description("", above=0).limits
        ('at least 1', 'from 0 to below 1', 'above 0')
        """
        low = f"above {self.above:,.15g}" if self.above is not None else ""
        if self.least is not None:
            closed = self.most is not None or self.below is not None
            low = f"{'from' if closed else 'at least'} {self.least:,.15g}"
        high = f"{self.most:,.15g}" if self.most is not None else ""
        high = f"below {self.below:,.15g}" if self.below is not None else high
        return f"{low} to {high}" if low and high else low or (f"at most {high}" if self.most is not None else high)

    def within(self, number: float) -> bool:
        """Tell whether a number is one that it may be; NaN is none."""
        return (
            (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )


def argument(
    *,
    help: str,
    default: Any = dataclasses.MISSING,
    unit: str = "",
    choices: type[StrEnum] | Iterable[str] = (),
    metavar: str = "",
    many: bool = False,
    instead: Instead | None = None,
) -> Any:
    """Declare a field that is given by position, see `Description`."""
    described = Description(
        help, unit, _words(choices), metavar=metavar, positional=True, many=many, instead=instead
    )  # fmt: skip
    return dataclasses.field(default=default, metadata={"description": described})


def option(
    *,
    help: str,
    default: Any,
    unit: str = "",
    choices: type[StrEnum] | Iterable[str] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    metavar: str = "",
    flag: str = "",
    many: bool = False,
    scripts_only: bool = False,
    beside: str = "",
    bare: str = "",
    written: bool = False,
    kw_only: Literal[True] = True,
) -> Any:
    """Declare a field that is given by name, see `Description`.

    A type checker sees that only where ``kw_only=True`` is written out. It is needed in a request that others extend
    with arguments.
    """
    described = Description(
        help, unit, _words(choices), least, metavar, flag, many=many, scripts_only=scripts_only, beside=beside,
        bare=bare, most=most, above=above, below=below, written=written,
    )  # fmt: skip
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"description": described})


def _words(choices: type[StrEnum] | Iterable[str]) -> tuple[str, ...]:
    return tuple(str(getattr(word, "value", word)) for word in choices)


@dataclass_transform(frozen_default=True, field_specifiers=(argument, option))
class Request:
    """Inputs of a study.

    A subclass lists its fields with `argument` and `option`; it becomes a frozen dataclass by itself.

    Raises
    ------
    InputError
        If a value is none of a field's choices, outside its limits, or stands for an object that was given in memory.

    Examples
    --------
    >>> class Boil(Request):
    ...     study = "boil"
    ...     water: str = argument(help="What is heated.")
    ...     power: float = option(default=2e3, help="Of the kettle.", unit="W")
    >>> Boil("tea", power=1e3).inputs()
    {'water': 'tea', 'power': 1000.0}
    """

    study: ClassVar[str] = ""
    """The command, such as ``train``."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True)(cls)

    def __post_init__(self) -> None:
        types = hints(type(self))
        for name, each in descriptions(type(self)).items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), each, types[name]))

    def inputs(self) -> dict[str, Any]:
        """Return all fields as plain containers for JSON; what a study resolved has been put in with `resolved`."""
        return {name: plain(getattr(self, name)) for name in descriptions(type(self))}

    def resolved(self: R, **values: Any) -> R:
        """Return the request with fields resolved: defaults that depend on others, names of what was read."""
        return dataclasses.replace(self, **values)  # type: ignore[type-var]  # subclasses are dataclasses


def descriptions(request: type[Request]) -> Mapping[str, Description]:
    """Return the fields of a request in order, its own before those of its bases, each with its description."""
    of_class = [inspect.get_annotations(each) for each in request.__mro__]
    fields = {each.name: each.metadata["description"] for each in dataclasses.fields(request)}  # type: ignore[arg-type]  # the same
    return {name: fields[name] for own in of_class for name in own if name in fields}


def hints(request: type[Request]) -> Mapping[str, str]:
    """Return the type of each field as it is written, those of its bases among them."""
    fields = dataclasses.fields(request)  # type: ignore[arg-type]  # the same
    return {each.name: getattr(each.type, "__name__", str(each.type)) for each in fields}


def file_fields(request: type[Request]) -> frozenset[str]:
    """Return the fields that may be the path of a file that is read: ``Path`` stands in their type.

    Examples
    --------
    >>> class Brew(Request):
    ...     recipe: str | Path = argument(help="What is brewed.")
    ...     log: str | Path | None = option(default=None, written=True, help="Where it is noted.")
    >>> sorted(file_fields(Brew))
    ['recipe']
    """
    types = hints(request)
    return frozenset(
        name for name, each in descriptions(request).items() if _PATH.search(types[name]) and not each.written
    )


def defaults(request: type[Request]) -> Mapping[str, Any]:
    """Return the default of each field that has one."""
    fields = dataclasses.fields(request)  # type: ignore[arg-type]  # the same
    return {each.name: each.default for each in fields if each.default is not dataclasses.MISSING}


def plain(value: Any) -> Any:
    """Return a value for JSON; an object that was given in memory leaves its name only.

    Examples
    --------
    >>> plain((1, Path("a.csv"), None))
    [1, 'a.csv', None]
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # of numpy, a number or several
        return value.tolist()
    return {_MEMORY: str(getattr(value, "name", type(value).__name__))}


def _checked(name: str, value: Any, description: Description, hint: str) -> Any:
    """Return a field's value as the run takes it, or refuse it by name."""
    if isinstance(value, Mapping) and set(value) == {_MEMORY}:
        found = f"'{value[_MEMORY]}', which was given in memory"
        raise InputError(field(name), found, "the object itself, a name or a file", "Give it again.")
    if description.many and value is not None and not isinstance(value, Mapping):
        one = isinstance(value, str | Path) or not isinstance(value, Iterable)
        return tuple(_one(name, each, description, hint) for each in ((value,) if one else value))
    nothing = value is None and ("None" in hint or not description.limits)
    return value if nothing else _one(name, value, description, hint)


def _one(name: str, value: Any, description: Description, hint: str) -> Any:
    if description.choices and (isinstance(value, str) or value.__class__.__module__ == "builtins"):
        by_lower = {word.lower(): word for word in description.choices}
        if str(value).lower() not in by_lower:
            if description.beside:
                return _limited(name, value, description, hint)
            raise unknown_name(field(name), str(value), description.choices)
        return by_lower[str(value).lower()]
    return _limited(name, value, description, hint)


def _limited(name: str, value: Any, description: Description, hint: str) -> Any:
    """Return a value that is within its field's limits, or refuse it; the run reads text."""
    if not description.limits or (isinstance(value, str) and "str" in hint):
        return value
    whole = "float" not in hint
    number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not number or not description.within(value):
        of = "" if description.least is None or " to " in description.limits else "of "
        expected = f"{'a whole number' if whole else 'a number'} {of}{description.limits}"
        raise InputError(field(name), written(value), expected)
    return value


class Study(Generic[P, Q, R, T]):
    """A study as a function: it takes the fields of its request and gives a result.

    Attributes
    ----------
    request : type of Request
        Its inputs.
    """

    def __init__(self, request: Callable[P, R], run: Callable[Concatenate[R, Q], T]) -> None:
        functools.update_wrapper(self, run)
        self.request = request
        self._run = run
        self.__signature__ = inspect.signature(request).replace(return_annotation=run.__annotations__.get("return"))
        assert isinstance(request, type)
        self.__doc__ = _documented(run.__doc__ or "", request)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the study on the fields of its request."""
        run: Callable[[R], T] = self._run  # all that it takes beside the request has a default
        return run(self.request(*args, **kwargs))

    def of(self, request: R, *args: Q.args, **kwargs: Q.kwargs) -> T:
        """Run the study on a request; nothing else that it takes changes the result: a progress bar, processes."""
        return self._run(request, *args, **kwargs)


def study(request: Callable[P, R]) -> Callable[[Callable[Concatenate[R, Q], T]], Study[P, Q, R, T]]:
    """Make a function of a request a study, which is called with the request's fields.

    Examples
    --------
    >>> class Boil(Request):
    ...     water: str = argument(help="What is heated.")
    >>> @study(Boil)
    ... def boil(request: Boil) -> str:
    ...     return f"hot {request.water}"
    >>> boil("tea"), boil.of(Boil(water="tea"))
    ('hot tea', 'hot tea')
    """

    def make(run: Callable[Concatenate[R, Q], T]) -> Study[P, Q, R, T]:
        return Study(request, run)

    return make


def _documented(text: str, request: type[Request]) -> str:
    """Put the fields of a request into a numpydoc text, behind its summary."""
    text = inspect.cleandoc(text)
    lines = ["Parameters", "----------"]
    for name, each in descriptions(request).items():
        closed = each.choices and not each.beside
        words = "{" + ", ".join(map(repr, each.choices)) + "}" if closed else hints(request)[name]
        fallback = defaults(request).get(name, dataclasses.MISSING)
        stated = "" if fallback is dataclasses.MISSING else f", default {fallback!r}"
        said = f" {each.limits[:1].upper()}{each.limits[1:]}." if each.limits else ""
        lines += [f"{name} : {words}{stated}", f"    {each.help}{said}" + (f" [{each.unit}]" if each.unit else "")]
    head, heading, tail = _sections(text)
    return "\n".join([head, "", *lines, *(["", heading + tail] if heading else [])])


def _sections(text: str) -> tuple[str, str, str]:
    """Split a numpydoc text before its first section."""
    lines = text.splitlines()
    for index in range(1, len(lines)):
        if set(lines[index]) == {"-"} and len(lines[index]) == len(lines[index - 1]):
            return "\n".join(lines[: index - 1]).rstrip(), lines[index - 1], "\n" + "\n".join(lines[index:])
    return text, "", ""
