"""What a primitive of a training schedule is: a pure transform of the operators of one module, and of the layout."""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from simcore.errors import SimcoreError
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Operator, OperatorList, Section
from simcore.models.training.parallel.layout import Layout

Value = float | str | None
"""What stands after ``=``, or beside a primitive's name in a file."""


class NotApplicable(SimcoreError):
    """A step that changes nothing where it stands; the message says why."""


@dataclass(frozen=True)
class Setting:
    """Where a schedule is applied.

    Attributes
    ----------
    model : Transformer or LayeredModel
        The sizes.
    sequence : int
        Tokens of a sequence.
    layout : Layout
        How an iteration is spread over GPUs.
    cut : OperatorList
        The same operators where tensor parallelism cuts all that it can, with what they send.
    """

    model: Architecture
    sequence: int
    layout: Layout
    cut: OperatorList

    def cut_form(self, section: Section, path: str) -> Operator | None:
        """Return what tensor parallelism makes of an operator of a section; None for one that a step made."""
        return form_of(self.cut.sections, section, path)


def form_of(sections: Sequence[Section], section: Section, path: str) -> Operator | None:
    """Return the operator of a path in those of some sections that hold the first repetition of another one."""
    for each in sections:
        if each.path == section.path and each.start <= section.start < each.start + each.count:
            own = next((one for one in each.operators if one.path == path), None)
            if own is not None:
                return own
    return None


class Primitive(ABC):
    """A step's verb.

    A primitive of your own is a class derived from this one, in a file: name it as ``FILE.py:CLASS``.

    Attributes
    ----------
    name, summary : str
        As a schedule writes it, and what it does.
    paths : tuple of str
        Patterns of the modules that it is for where a step names none.
    takes : str or None
        What its value is, for messages; None where it takes none.
    options : tuple of str
        Names of further values that a step in a file may give.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paths: ClassVar[tuple[str, ...]]
    takes: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ()

    def checked(self, value: Value, options: Mapping[str, Value]) -> Value:
        """Return a step's value, or refuse it.

        Raises
        ------
        ValueError
            With what is expected, if the primitive cannot take it.
        """
        if value is not None and self.takes is None:
            raise ValueError(f"no value: {self.name} takes none")
        return value

    def chosen(self, numbers: Sequence[int], value: Value, options: Mapping[str, Value]) -> Collection[int]:
        """Return which of the repetitions of a section, such as blocks, it is for; by default all that are named."""
        return numbers

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return a section with what the step changes.

        Parameters
        ----------
        section : Section
            Repetitions that the step treats alike.
        inside : collection of str
            Paths of the operators in one repetition that the step's pattern covers.
        setting : Setting
            Model and layout.
        value : float, str or None
            Of the step.

        Raises
        ------
        NotApplicable
            If it changes nothing here; the message says why.
        """
        operators = self.operators([one for one in section.operators if one.path in inside], setting, value)
        return replaced(section, inside, operators)

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return what takes the place of the operators that the step's pattern covers.

        Raises
        ------
        NotApplicable
            If it changes nothing here; the message says why.
        """
        return operators

    def module(self, module: Any, value: Value) -> Any:
        """Return the torch module that takes the place of one that the step names; it may be the same, changed.

        What simcore's own primitives do to modules stands in `simcore.real.schedule`. One of a user's file has this
        method, so that ``simcore verify`` can apply it.

        Raises
        ------
        NotApplicable
            If it changes nothing here; the message says why.
        """
        raise NotApplicable(f"{self.name} changes operator lists alone")

    def layout(self, layout: Layout, model: Architecture, value: Value) -> Layout:
        """Return the layout with what the step changes in it."""
        return layout


def replaced(section: Section, inside: Collection[str], operators: Sequence[Operator]) -> Section:
    """Return a section whose operators of some paths are others.

    As many take the place of one another; fewer or more stand where the first of them stood.
    """
    covered = [at for at, one in enumerate(section.operators) if one.path in inside]
    if len(covered) == len(operators):
        others = dict(zip(covered, operators, strict=True))
        return replace(section, operators=tuple(others.get(at, one) for at, one in enumerate(section.operators)))
    rest = [one for one in section.operators[covered[0] :] if one.path not in inside]
    return replace(section, operators=(*section.operators[: covered[0]], *operators, *rest))


def silent(one: Operator) -> Operator:
    """Return an operator that sends nothing."""
    return replace(one, before_forward=(), before_backward=(), after_forward=None, after_input_gradient=None)
