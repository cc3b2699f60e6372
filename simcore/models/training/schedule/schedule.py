"""Training schedules: steps in order, each a primitive for some modules, and what they make of an operator list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.architecture import Transformer
from simcore.models.training.operators import OperatorList, Section
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.schedule.paths import Pattern, closest, modules
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value, silent

_FIRST = ("shard", "sync")
"""Primitives that are applied before all others, whatever their place: what they change, no other step depends on."""


@dataclass(frozen=True)
class Step:
    """One step of a schedule.

    Attributes
    ----------
    primitive : Primitive
        What it does.
    value : float, str or None
        How much, or which.
    path : str
        Pattern of the modules that it is for; empty for those that the primitive is usually for.
    options : mapping of str to value
        Further values.
    """

    primitive: Primitive
    value: Value = None
    path: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Patterns of the modules that it is for."""
        return tuple(map(Pattern, (self.path,) if self.path else self.primitive.paths))

    def __str__(self) -> str:
        """Return the step as text."""
        value = "" if self.value is None else f"={self.value:g}" if isinstance(self.value, float) else f"={self.value}"
        more = "".join(f", {name} {each}" for name, each in self.options.items())
        return (f"{self.path}: " if self.path else "") + self.primitive.name + value + more


@dataclass(frozen=True)
class Schedule:
    """Steps in order.

    Attributes
    ----------
    steps : tuple of Step
        In the order in which they are applied.
    name : str
        Where they come from, for messages.
    whole : bool
        Whether a GPU of a tensor-parallel group holds what no step shards as a whole, also where no step shards at all.

    Examples
    --------
    >>> from simcore.models.training.schedule.primitives.attention import Sdpa
    >>> gpt = Transformer("gpt", hidden=64, blocks=2, heads=8)
    >>> made = Schedule((Step(Sdpa()),)).operators(gpt, 128, Layout(fused_attention=False))
    >>> [one.path for one in made][3:5]
    ['block.0.attention.fused', 'block.0.attention.output']
    """

    steps: tuple[Step, ...] = ()
    name: str = ""
    whole: bool = False

    @property
    def shards(self) -> bool:
        """Whether tensor parallelism cuts only what steps shard, rather than all of the model."""
        return self.whole or any(step.primitive.name in _FIRST for step in self.steps)

    def first(self, count: int) -> Schedule:
        """Return the schedule with its first steps alone; what a later one shards is whole before."""
        return Schedule(self.steps[:count], self.name, self.shards)

    def words(self, start: int, end: int) -> str:
        """Return the steps from one place to another as text: of several alike, the first and how many more."""
        steps = self.steps[start:end]
        more = f" and {len(steps) - 2} more" if len(steps) > 2 else ""
        return ", ".join(map(str, (steps[0], *steps[-1:]) if len(steps) > 1 else steps)) + more

    def layout(self, layout: Layout, model: Transformer) -> Layout:
        """Return a layout with what the steps change in it, such as the blocks of each pipeline stage."""
        for step in self.steps:
            layout = step.primitive.layout(layout, model, step.value)
        return replace(layout, schedule=", ".join(map(str, self.steps)))

    def operators(self, model: Transformer, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return the operators of one micro-batch on one GPU of a layout, after all steps.

        Parameters
        ----------
        model : Transformer
            The sizes.
        sequence : int
            Tokens of a sequence.
        layout : Layout
            How an iteration is spread over GPUs.
        routed : bool
            Whether only sections with experts are wanted.

        Raises
        ------
        InputError
            If a step names no module, or changes nothing, or sums are missing that sharded modules need.
        """
        listed = sharded_operators(model, sequence, layout, routed=routed)
        if not self.steps and not self.whole:
            return listed
        cut = {(section.path, one.path): one for section in listed.sections for one in section.operators}
        setting = Setting(model, sequence, layout, cut)
        if self.shards:
            uncut = replace(layout, tp=1, sequence_parallel=False)
            listed = sharded_operators(model, sequence, uncut, routed=routed)
        whole, sections = listed.sections, listed.sections
        for step in self._of_tensors(True):
            sections = tuple(_applied(step, sections, setting, strict=not routed))
        if self.shards:
            _check_sums(sections, whole, setting)
        for step in self._of_tensors(False):
            sections = tuple(_applied(step, sections, setting, strict=not routed))
        return OperatorList(sections)

    def _of_tensors(self, wanted: bool) -> Iterator[Step]:
        """Yield the steps that cut weights and sum what they make, or all others."""
        return (step for step in self.steps if (step.primitive.name in _FIRST) is wanted)


def _applied(step: Step, sections: Sequence[Section], setting: Setting, *, strict: bool) -> Iterator[Section]:
    """Yield sections after one step; those of which it changes only some repetitions are split."""
    reasons: dict[str, None] = {}
    made: list[Section] = []
    touched = False
    chosen = _chosen(step, sections)
    for section in sections:
        for part, named_here in _split(section, chosen.get(section.path)):
            inside = _inside(step, part) if named_here else []
            if inside:
                try:
                    part = step.primitive.section(part, inside, setting, step.value)
                    touched = True
                except NotApplicable as error:
                    reasons[str(error)] = None
            made.append(part)
    if strict and not touched and (reasons or not any(_inside(step, section) for section in sections)):
        raise _refused(step, sections, reasons)
    yield from made


def _chosen(step: Step, sections: Sequence[Section]) -> dict[str, frozenset[int]]:
    """Return which repetitions of each stack of blocks a step is for."""
    chosen: dict[str, frozenset[int]] = {}
    for path in dict.fromkeys(section.path for section in sections if section.path):
        numbers = [
            number for section in sections if section.path == path
            for number in range(section.start, section.start + section.count)
            if _meets(step, path, number)
        ]  # fmt: skip
        chosen[path] = frozenset(step.primitive.chosen(numbers, step.value, step.options)) if numbers else frozenset()
    return chosen


def _split(section: Section, chosen: frozenset[int] | None) -> Iterator[tuple[Section, bool]]:
    """Yield parts of a section that a step treats alike, and whether it is for them."""
    if chosen is None:  # it stands alone
        yield section, True
        return
    numbers = range(section.start, section.start + section.count)
    for inside, same in groupby(numbers, chosen.__contains__):
        run = list(same)
        yield replace(section, count=len(run), start=run[0]), inside


def _inside(step: Step, section: Section) -> list[str]:
    """Return paths of the operators that a step is for in one of the repetitions."""
    numbers = range(section.start, section.start + section.count)
    met = [f"{section.path}.{number}." for number in numbers if _meets(step, section.path, number)][:1]
    return [
        one.path for before in (met if section.path else [""]) for one in section.operators
        if any(each.covers(before + one.path) for each in step.patterns)
    ]  # fmt: skip


def _meets(step: Step, path: str, number: int) -> bool:
    return any(pattern.meets(path, number) for pattern in step.patterns)


def _refused(step: Step, sections: Sequence[Section], reasons: Mapping[str, None]) -> InputError:
    """Say why a step changes nothing."""
    if reasons:
        remedy = "Leave the step out, or name other modules."
        return InputError(named("steps"), f"{step}: {'; '.join(reasons)}", "a step that changes something", remedy)
    listed = OperatorList(tuple(replace(section, count=1) if section.path else section for section in sections))
    known = modules(one.path for one in listed)
    near = closest(step.path, known)
    remedy = f"Did you mean {near}?" if near else f"There are {', '.join(known[:6])}, ..."
    return InputError(named("steps"), f"'{step.path}' of {step.primitive.name}", "the path of a module", remedy)


def _check_sums(sections: Sequence[Section], whole: Sequence[Section], setting: Setting) -> None:
    """Refuse a schedule whose sharded modules lack a sum, so that results would be wrong."""
    uncut = {(section.path, one.path): silent(one) for section in whole for one in section.operators}
    for section in sections:
        for one in section.operators:
            key = section.path, one.path
            if silent(one) == uncut[key] or one == setting.cut[key]:
                continue
            path = f"{section.path}.*.{one.path}" if section.path else one.path
            found = f"shard of {path}, whose partial results nothing sums"
            raise InputError(named("steps"), found, "a step sync for what is sharded", f"Add {path}: sync.")
