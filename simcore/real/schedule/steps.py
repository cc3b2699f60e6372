"""Steps of a training schedule in order, applied to a torch module; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from simcore.errors import InputError, field
from simcore.models.training.schedule import NotApplicable, Schedule, Step
from simcore.real.schedule.paths import patterns_of, refused
from simcore.real.schedule.registry import OF_RANKS, transform_of
from simcore.real.schedule.replace import put

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Applied:
    """What a step has changed.

    Attributes
    ----------
    step : str
        As a schedule writes it.
    paths : tuple of str
        The modules.
    """

    step: str
    paths: tuple[str, ...]


def apply(root: nn.Module, schedule: Schedule, tensor: DeviceMesh | None = None) -> list[Applied]:
    """Apply a schedule to a module, in place.

    As in an operator list, weights are cut first, whatever the place of these steps. Where a model is cut into stages
    changes no module.

    Parameters
    ----------
    root : nn.Module
        The model.
    schedule : Schedule
        The steps.
    tensor : DeviceMesh, optional
        Ranks of tensor parallelism.

    Raises
    ------
    InputError
        If a step names no module, or changes nothing.

    Examples
    --------
    >>> from simcore.models.training.language import gpt
    >>> from simcore.real.language import language_model
    >>> from simcore.readers.schedules import parse_steps
    >>> steps = parse_steps("sdpa,block.0-1:checkpoint=0.5").value
    >>> [each.paths for each in apply(language_model(gpt(48, 4, 4, vocabulary=100, positions=16)), steps)][1]
    ('block.0',)
    """
    done: dict[int, Applied] = {}
    _cut_weights(root, schedule, tensor, done)
    for at, step in enumerate(schedule.steps):
        if step.primitive.name not in OF_RANKS:
            done[at] = Applied(str(step), _changed(root, step))
    return [done[at] for at in sorted(done)]


def _cut_weights(root: nn.Module, schedule: Schedule, tensor: DeviceMesh | None, done: dict[int, Applied]) -> None:
    """Cut the weights that steps shard, and sum what they sync."""
    of_tensors = {at: step for at, step in enumerate(schedule.steps) if step.primitive.name in ("shard", "sync")}
    if not of_tensors:
        return
    from simcore.real.schedule.shard import cut, kinds, parts_of
    from simcore.real.schedule.shard_own import cut_own

    if tensor is None:
        found = "shard with one rank per tensor-parallel group"
        raise InputError(field("steps"), found, "a degree to cut by", f"Add {field('ranks')} 4.")
    if not kinds(root):
        done |= {at: Applied(str(of_tensors[at]), paths) for at, paths in cut_own(root, tensor, of_tensors).items()}
        return
    chosen = {at: parts_of(root, step) for at, step in of_tensors.items()}
    given = next((step for step in of_tensors.values() if step.value is not None), None)
    if given is not None:
        raise refused(root, given, ["how a product is cut is fixed here: leave the value out"])
    for at, step in of_tensors.items():
        if not chosen[at]:
            raise refused(root, step, ["tensor parallelism cuts nothing here"] if named(root, step) else [])
        done[at] = Applied(str(step), tuple(chosen[at]))
    sharded, summed = (
        {path for at, step in of_tensors.items() if step.primitive.name == name for path in chosen[at]}
        for name in ("shard", "sync")
    )
    cut(root, tensor, sharded, summed)


def _changed(root: nn.Module, step: Step) -> tuple[str, ...]:
    """Apply a step to the modules that it names, and return their paths."""
    transform, reasons, changed = transform_of(step.primitive), dict[str, None](), []
    for path in named(root, step):
        try:
            put(root, path, transform(root.get_submodule(path), step.value))
            changed.append(path)
        except NotApplicable as error:
            reasons[str(error)] = None
    if not changed and (reasons or not _empty(root, step)):
        raise refused(root, step, list(reasons))
    return tuple(changed)


def _empty(root: nn.Module, step: Step) -> bool:
    """Say whether a step names modules, of which its value leaves none, as a share of 0 does."""
    return any(_matched(root, step))


def named(root: nn.Module, step: Step) -> list[str]:
    """Return the paths of the modules that a step is for; of repeated ones those that its value chooses."""
    matched = list(_matched(root, step))
    stacks: dict[str, dict[int, None]] = {}
    for path in matched:
        stack, number = _repetition(path)
        if number is not None:
            stacks.setdefault(stack, {})[number] = None
    chosen = {stack: set(step.primitive.chosen(list(numbers), step.value, step.options))
              for stack, numbers in stacks.items()}  # fmt: skip
    return [path for path in matched if _is_chosen(path, chosen)]


def _is_chosen(path: str, chosen: dict[str, set[int]]) -> bool:
    stack, number = _repetition(path)
    return number is None or number in chosen[stack]


def _matched(root: nn.Module, step: Step) -> Iterator[str]:
    """Yield the paths that a step's patterns name."""
    patterns = patterns_of(root, step)
    for path, _ in root.named_modules(remove_duplicate=False):
        if path and any(pattern.names(path) for pattern in patterns):
            yield path


def _repetition(path: str) -> tuple[str, int | None]:
    """Return the stack of a path's first number, and the number; None where there is none.

    Examples
    --------
    >>> _repetition("encoder.block.3.attention")
    ('encoder.block', 3)
    """
    words = path.split(".")
    at = next((at for at, word in enumerate(words) if word.isdigit()), None)
    return ("", None) if at is None else (".".join(words[:at]), int(words[at]))
