"""A user's module cut into the stages of a pipeline at paths, with `torch.distributed.pipelining`; needs torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining import Schedule1F1B, SplitPoint, pipeline

from simcore.errors import InputError, field
from simcore.models.training.schedule import Schedule
from simcore.real.schedule.paths import refused
from simcore.real.verify.stages import loss, micro_batches


def cut_paths(schedule: Schedule) -> tuple[str, ...]:
    """Return the paths at which steps ``cut`` begin a stage, in order."""
    return tuple(step.path for step in schedule.steps if step.primitive.name == "cut")


class OwnStage:
    """A stage of a user's module: `torch.export` traces the module once, and each rank keeps its part.

    Parameters
    ----------
    module : nn.Module
        The module after its other steps.
    inputs, names : sequence
        What it is called with, and keywords; empty for an input by its place.
    schedule : Schedule
        Its steps ``cut`` name where stages begin.
    mesh : DeviceMesh
        The stages.

    Attributes
    ----------
    module : nn.Module
        What this rank runs; its paths are those of the user's module.
    first_names : dict of str to str
        Of parameters that stand under several paths, the first one by each other.

    Raises
    ------
    InputError
        If a path is none, samples do not make up micro-batches, or the module cannot be traced and cut there.
    """

    def __init__(
        self, module: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], schedule: Schedule, mesh: DeviceMesh
    ) -> None:
        paths, known = cut_paths(schedule), dict(module.named_modules())
        for step in schedule.steps:
            if step.primitive.name == "cut" and step.path not in known:
                raise refused(module, step, [])
        self.at, self.count, self.inputs = mesh.get_local_rank(), mesh.size(), inputs
        self.names = tuple(names) or ("",) * len(inputs)
        self.pieces = micro_batches(_samples(inputs), self.count)
        with torch.no_grad():
            made = module(*self._by_place(inputs), **self._by_name(inputs))
        if not isinstance(made, Tensor):
            found = f"cut of {type(module).__name__}, which returns {type(made).__name__}"
            raise InputError(field("steps"), found, "a module that returns one tensor", "Leave the step out.")
        self.shape, self.group = made, mesh.get_group()
        firsts = {id(one): path for path, one in module.named_parameters()}
        shared = dict(module.named_parameters(remove_duplicate=False))
        self.first_names = {path: firsts[id(one)] for path, one in shared.items() if path != firsts[id(one)]}
        self._tied = {first: torch.zeros_like(shared[first]) for first in sorted({*self.first_names.values()})}
        first = [one.detach()[: len(one) // self.pieces] for one in inputs]
        _hand_on_inputs(module)
        try:
            pipe = pipeline(
                module, mb_args=self._by_place(first), mb_kwargs=self._by_name(first),
                split_spec={path: SplitPoint.BEGINNING for path in paths},
            )  # fmt: skip
            self.stage: Any = pipe.build_stage(self.at, inputs[0].device, mesh.get_group())
        except Exception as error:  # torch.export has a class for each construct that it cannot trace
            found = f"cut of {type(module).__name__}: {str(error).strip().splitlines()[0]}"
            raise InputError(field("steps"), found, "a module that torch.distributed.pipelining cuts there") from error
        self.module: nn.Module = self.stage.submod

    def run(self, probe: Callable[[Tensor, int], Tensor]) -> list[Tensor]:
        """Run forward and backward passes as this stage, and return the output where it is the last one."""
        runner = Schedule1F1B(self.stage, self.pieces, loss_fn=loss, scale_grads=False)
        given = self._by_place(self.inputs) if self.at == 0 else ()
        named: dict[str, Any] = {**self._by_name(self.inputs)} if self.at == 0 else {}
        last = self.at == self.count - 1
        try:
            made = runner.step(*given, target=probe(self.shape, 0) if last else None, **named)
        except Exception as error:
            if "skip connections" not in str(error):  # torch has no public class for it
                raise
            found = "cut where a tensor with a gradient passes over a stage, of which torch runs no backward pass"
            expected = "stages that read what the stage before makes"
            raise InputError(field("steps"), found, expected, "Cut elsewhere, or into fewer stages.") from error
        self._sum_tied()
        return [made.detach()] if last else []

    def _sum_tied(self) -> None:
        """Sum over stages the gradients of parameters that stand under several names, such as a table and a head."""
        own = [(path, one) for path, one in self.module.named_parameters() if one.grad is not None]
        for first, zeros in self._tied.items():
            mine = [one for path, one in own if self.first_names.get(path, path) == first]
            total = sum((one.grad for one in mine if one.grad is not None), zeros)
            torch.distributed.all_reduce(total, group=self.group)
            for one in mine:
                one.grad = total

    def _by_place(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(one for name, one in zip(self.names, inputs, strict=True) if not name)

    def _by_name(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {name: one for name, one in zip(self.names, inputs, strict=True) if name}


def _hand_on_inputs(module: nn.Module) -> None:
    """Let the first stage hand on inputs that later stages read: a pipeline's stages read what stages have made."""
    forward = module.forward

    @functools.wraps(forward)
    def handed_on(*given: Tensor, **named: Tensor) -> Any:
        return forward(*(one.clone() for one in given), **{name: one.clone() for name, one in named.items()})

    object.__setattr__(module, "forward", handed_on)


def _samples(inputs: Sequence[Tensor]) -> int:
    """Return how many samples all inputs have."""
    counts = {len(one) if one.dim() else 0 for one in inputs}
    if len(counts) != 1 or 0 in counts:
        found = f"inputs of {', '.join(str(count) for count in sorted(counts))} samples"
        raise InputError(field("model"), found, "as many samples in each, which micro-batches share")
    return counts.pop()
