"""Training schedules: steps in order, each a primitive for some modules, and what they make of an operator list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import OperatorList, Section
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.schedule.paths import Pattern, closest, modules
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value, form_of, silent

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

    def patterns(self, sections: Sequence[Section]) -> tuple[Pattern, ...]:
        """Return patterns of the modules that it is for: where none are named, blocks of a model that has no others."""
        given = tuple(map(Pattern, (self.path,) if self.path else self.primitive.paths))
        stacks = dict.fromkeys(section.path for section in sections if section.path)
        if self.path or any(pattern.words[: len(each.split("."))] == tuple(each.split("."))
                            for pattern in given for each in stacks):  # fmt: skip
            return given
        return tuple(Pattern(f"{each}.*") for each in stacks) or given

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
    def place(self) -> str:
        """Where its steps stand, for messages."""
        return self.name or named("steps")

    @property
    def shards(self) -> bool:
        """Whether tensor parallelism cuts only what steps shard, rather than all of the model."""
        return self.whole or any(step.primitive.name in _FIRST for step in self.steps)

    def first(self, count: int) -> Schedule:
        """Return the schedule with its first steps alone; what a later one shards is whole before."""
        return Schedule(self.steps[:count], self.name, self.shards)

    def complete(self) -> Iterator[int]:
        """Yield after how many steps results are those of the model: shards have their sums, which may come together.

        Examples
        --------
        >>> from simcore.models.training.schedule.primitives.attention import Sdpa
        >>> from simcore.models.training.schedule.primitives.shard import Shard, Sync
        >>> list(Schedule((Step(Shard()), Step(Shard()), Step(Sync()), Step(Sdpa()))).complete())
        [0, 3, 4]
        """
        yield 0
        names = [step.primitive.name for step in self.steps]
        for count, name in enumerate(names, 1):
            waits = (name == "shard" and "sync" in names[count:]) or (
                name == "sync" and names[count : count + 1] == ["sync"]
            )
            if not waits or count == len(names):
                yield count

    def words(self, start: int, end: int) -> str:
        """Return the steps from one place to another as text: of several alike, the first and how many more."""
        steps = self.steps[start:end]
        more = f" and {len(steps) - 2} more" if len(steps) > 2 else ""
        return ", ".join(map(str, (steps[0], *steps[-1:]) if len(steps) > 1 else steps)) + more

    def layout(self, layout: Layout, model: Architecture) -> Layout:
        """Return a layout with what the steps change in it, such as the blocks of each pipeline stage."""
        for step in self.steps:
            layout = step.primitive.layout(layout, model, step.value)
        return replace(layout, schedule=", ".join(map(str, self.steps)))

    def operators(self, model: Architecture, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return the operators of one micro-batch on one GPU of a layout, after all steps.

        Parameters
        ----------
        model : Transformer or LayeredModel
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
        setting = Setting(model, sequence, layout, listed)
        if self.shards:
            uncut = replace(layout, tp=1, sequence_parallel=False)
            listed = sharded_operators(model, sequence, uncut, routed=routed)
        whole, sections = listed.sections, listed.sections
        for step in self._of_tensors(True):
            sections = tuple(_applied(step, sections, setting, self.place, strict=not routed))
        if self.shards:
            _check_sums(sections, whole, setting, self.place)
        for step in self._of_tensors(False):
            sections = tuple(_applied(step, sections, setting, self.place, strict=not routed))
        return OperatorList(sections)

    def _of_tensors(self, wanted: bool) -> Iterator[Step]:
        """Yield the steps that cut weights and sum what they make, or all others."""
        return (step for step in self.steps if (step.primitive.name in _FIRST) is wanted)


def _applied(
    step: Step, sections: Sequence[Section], setting: Setting, place: str, *, strict: bool
) -> Iterator[Section]:
    """Yield sections after one step; those of which it changes only some repetitions are split."""
    reasons: dict[str, None] = {}
    made: list[Section] = []
    touched = False
    patterns = step.patterns(sections)
    chosen = _chosen(step, patterns, sections)
    for section in sections:
        for part, named_here in _split(section, chosen.get(section.path)):
            inside = _inside(patterns, part) if named_here else []
            if inside:
                try:
                    part = step.primitive.section(part, inside, setting, step.value)
                    touched = True
                except NotApplicable as error:
                    reasons[str(error)] = None
            made.append(part)
    if strict and not touched and (reasons or not any(_inside(patterns, section) for section in sections)):
        raise _refused(step, sections, reasons, place)
    yield from made


def _chosen(step: Step, patterns: Sequence[Pattern], sections: Sequence[Section]) -> dict[str, frozenset[int]]:
    """Return which repetitions of each stack of blocks a step is for."""
    chosen: dict[str, frozenset[int]] = {}
    for path in dict.fromkeys(section.path for section in sections if section.path):
        numbers = [
            number for section in sections if section.path == path
            for number in range(section.start, section.start + section.count)
            if _meets(patterns, path, number)
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


def _inside(patterns: Sequence[Pattern], section: Section) -> list[str]:
    """Return paths of the operators that a step is for in one of the repetitions."""
    numbers = range(section.start, section.start + section.count)
    met = [f"{section.path}.{number}." for number in numbers if _meets(patterns, section.path, number)][:1]
    return [
        one.path for before in (met if section.path else [""]) for one in section.operators
        if any(each.covers(before + one.path) for each in patterns)
    ]  # fmt: skip


def _meets(patterns: Sequence[Pattern], path: str, number: int) -> bool:
    return any(pattern.meets(path, number) for pattern in patterns)


def _refused(step: Step, sections: Sequence[Section], reasons: Mapping[str, None], place: str) -> InputError:
    """Say why a step changes nothing."""
    if reasons:
        remedy = "Leave the step out, or name other modules."
        return InputError(place, f"{step}: {'; '.join(reasons)}", "a step that changes something", remedy)
    listed = OperatorList(tuple(replace(section, count=1) if section.path else section for section in sections))
    known = modules(one.path for one in listed)
    near = closest(step.path, known)
    remedy = f"Did you mean {near}?" if near else f"There are {', '.join(known[:6])}, ..."
    return InputError(place, f"'{step.path}' of {step.primitive.name}", "the path of a module", remedy)


def _check_sums(sections: Sequence[Section], whole: Sequence[Section], setting: Setting, place: str) -> None:
    """Refuse a schedule whose sharded modules lack a sum, so that results would be wrong."""
    if not isinstance(setting.model, Transformer):
        _check_channels(sections, whole, setting, place)
    for section in sections:
        for one in section.operators:
            uncut, cut = form_of(whole, section, one.path), setting.cut_form(section, one.path)
            if uncut is None or silent(one) == silent(uncut) or one == cut:
                continue
            path = f"{section.path}.*.{one.path}" if section.path else one.path
            found = f"shard of {path}, whose partial results nothing sums"
            raise InputError(place, found, "a step sync for what is sharded", f"Add {path}: sync.")


def _check_channels(sections: Sequence[Section], whole: Sequence[Section], setting: Setting, place: str) -> None:
    """Refuse a schedule that shards some of the layers of a block alone, which hand each other cut channels."""
    for section in sections:
        is_cut = {
            one.path: silent(one) == silent(cut)
            for one in section.operators
            if (cut := setting.cut_form(section, one.path)) is not None
            and (uncut := form_of(whole, section, one.path)) is not None and silent(cut) != silent(uncut)
        }  # fmt: skip
        left = next((path for path, done in is_cut.items() if not done), None)
        if left is not None and any(is_cut.values()):
            first = next(path for path, done in is_cut.items() if done)
            found = f"shard of {section.path}.*.{first}, but not of {left}"
            expected = "a shard of all layers that hand each other the channels of one GPU"
            raise InputError(place, found, expected, f"Add {section.path}.*.{left}: shard.")
