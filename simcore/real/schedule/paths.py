"""Which modules of a torch module a step is for; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from simcore.errors import InputError, field
from simcore.models.training.schedule import Pattern, Step
from simcore.models.training.schedule.paths import closest, modules


def patterns_of(root: nn.Module, step: Step) -> tuple[Pattern, ...]:
    """Return the patterns of a step: where it names none and its primitive's match nothing, modules that are numbered.

    Examples
    --------
    >>> from simcore.models.training.schedule.primitives.checkpoint import Checkpoint
    >>> module = nn.Module()
    >>> module.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    >>> [each.text for each in patterns_of(module, Step(Checkpoint()))]
    ['layers.*']
    """
    if step.path:
        return (Pattern(step.path),)
    given = tuple(map(Pattern, step.primitive.paths))
    paths = [path for path, _ in root.named_modules() if path]
    if any(pattern.names(path) for pattern in given for path in paths):
        return given
    stacks = dict.fromkeys(path.rpartition(".")[0] for path in paths if path.rpartition(".")[2].isdigit())
    outer = [stack for stack in stacks if not any(word.isdigit() for word in stack.split("."))]
    return tuple(Pattern(f"{stack}.*" if stack else "*") for stack in outer) or given


def refused(root: nn.Module, step: Step, reasons: Sequence[str]) -> InputError:
    """Say why a step changes nothing."""
    if reasons:
        remedy = "Leave the step out, or name other modules."
        return InputError(field("steps"), f"{step}: {'; '.join(reasons)}", "a step that changes something", remedy)
    known = modules(path for path, _ in root.named_modules(remove_duplicate=False) if path)
    near = closest(step.path, known)
    remedy = f"Did you mean {near}?" if near else f"There are {', '.join(known[:6])}, ..."
    paths = step.path or " or ".join(step.primitive.paths)
    return InputError(field("steps"), f"'{paths}' of {step.primitive.name}", "the path of a module", remedy)
