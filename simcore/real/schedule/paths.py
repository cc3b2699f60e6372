"""Which modules of a torch module a step is for; importing this module needs torch."""

from __future__ import annotations

from torch import nn

from simcore.models.training.schedule import Pattern, Step


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
