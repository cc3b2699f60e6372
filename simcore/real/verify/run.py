"""What one rank does: the module alone, the module after its steps on all ranks, and their difference; needs torch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_leaves

from simcore.errors import SimcoreError
from simcore.real.parallel import blocks_of
from simcore.real.schedule.joined import Joined
from simcore.real.schedule.steps import Applied, apply
from simcore.real.verify.built import Built, built, entries
from simcore.real.verify.case import Case
from simcore.real.verify.compare import DTYPES, GRADIENT, OUTPUT, findings
from simcore.real.verify.finding import Finding

if TYPE_CHECKING:
    from simcore.real.verify.own_stages import OwnStage

Told = Callable[[str], None]
"""Called with each number format that is done."""


class ScheduledError(Exception):
    """The scheduled module cannot run; the message says why."""


def run(case: Case, rank: int, told: Told) -> tuple[list[Finding], list[Applied], list[str]]:
    """Return how far each tensor is off, what each step has changed, and the names of all tensors.

    Raises
    ------
    InputError
        If a step does not apply.
    ScheduledError
        If the scheduled module cannot run.
    """
    torch.use_deterministic_algorithms(False)
    found: list[Finding] = []
    names: list[str] = []
    applied: list[Applied] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's about hooks and views, which change no number
        for precision in case.precisions:
            whole = built(case).to(DTYPES[precision], case.device)
            expected = _Run(case, whole, None).alone()
            names = list(expected)
            scheduled = _Run(case, Built(copy.deepcopy(whole.module), whole.inputs, whole.names), _mesh(case))
            applied = scheduled.scheduled()
            found += findings(expected, scheduled.tried(), precision, rank)
            told(precision)
    return found, applied, names


def _mesh(case: Case) -> DeviceMesh | None:
    ways = case.ways
    if ways.ranks == 1:
        return None
    return init_device_mesh(case.device, (ways.pp, ways.data, ways.tp), mesh_dim_names=("pipeline", "data", "tensor"))


class _Run:
    """A forward and a backward pass of a module."""

    def __init__(self, case: Case, given: Built, mesh: DeviceMesh | None) -> None:
        self.case, self.module, self.names, self.mesh = case, given.module, given.names, mesh
        self.inputs = tuple(one.detach().requires_grad_() if one.is_floating_point() else one for one in given.inputs)
        self.module.train(case.dropout)
        self.gradients: dict[str, list[Tensor | None]] = {}
        self.stage: OwnStage | None = None
        self.watching = [one.register_forward_hook(self._watch(path)) for path, one in entries(self.module).items()]

    def alone(self) -> dict[str, Tensor]:
        """Return outputs and gradients of the whole module, whose samples pass as they do on the ranks."""
        made: list[list[Tensor]] = []
        for rank in range(self.case.ways.data):
            made.append(self._passed(self._part(rank), rank))
        outputs = [torch.cat(each) for each in zip(*made, strict=True)] if len(made) > 1 else made[0]
        return self._named(outputs, self._gradients())

    def scheduled(self) -> list[Applied]:
        """Apply the steps, and spread the module over ranks."""
        ways, mesh = self.case.ways, self.mesh
        tensor = mesh["tensor"] if mesh is not None and ways.tp > 1 else None
        applied = apply(self.module, self.case.schedule, tensor)
        if mesh is not None and ways.pp > 1 and isinstance(self.case.model, str):
            self._own_stage(mesh["pipeline"])
        elif mesh is not None and ways.pp > 1:
            from simcore.real.verify.stages import stage_of

            self.module = stage_of(self.module, self.case.stages, mesh["pipeline"].get_local_rank())
        if mesh is not None and ways.data > 1:
            for part in (*blocks_of(self.module), self.module):
                fully_shard(part, mesh=mesh["data"])
        return applied

    def _own_stage(self, mesh: DeviceMesh) -> None:
        """Keep of a user's module the stage of this rank; what is watched is watched there."""
        from simcore.real.verify.own_stages import OwnStage

        watched = [*entries(self.module)]
        for hook in self.watching:
            hook.remove()
        self.stage = OwnStage(self.module, self.inputs, self.names, self.case.schedule, mesh)
        self.module = self.stage.module
        there = dict(self.module.named_modules())
        for path in watched:
            if path in there:
                there[path].register_forward_hook(self._watch(path))

    def tried(self) -> dict[str, Tensor]:
        """Return outputs and gradients of the scheduled module, gathered from all ranks."""
        try:
            return self._spread()
        except SimcoreError:
            raise
        except Exception as error:
            raise ScheduledError(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error

    def _spread(self) -> dict[str, Tensor]:
        mesh = self.mesh
        at = 0 if mesh is None else mesh["data"].get_local_rank()
        if self.stage is not None:
            outputs = self.stage.run(self._probe)
        elif mesh is not None and self.case.ways.pp > 1:
            from simcore.real.verify.stages import staged

            outputs = staged(self.module, self._part(at), self._probe, mesh["pipeline"], self._share(at))
        else:
            outputs = self._passed(self._part(at), at)
        gathered = [self._gathered(one) for one in outputs]
        return self._named(gathered, self._gradients())

    def _part(self, rank: int) -> tuple[Tensor, ...]:
        """Return the samples of a rank."""
        return tuple(self._share(rank)(one) for one in self.inputs)

    def _share(self, rank: int) -> Callable[[Tensor], Tensor]:
        count = self.case.ways.data
        return lambda one: one.chunk(count)[rank] if count > 1 else one

    def _passed(self, inputs: tuple[Tensor, ...], rank: int) -> list[Tensor]:
        """Return the outputs of some samples; their gradients are left where they arise."""
        torch.manual_seed(self.case.seed + 1 + rank)
        outputs = floats(self._called(inputs))
        losses = [self._loss(one, self._share(rank)(self._probe(one, at))) for at, one in enumerate(outputs)]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        return [_whole(one) for one in outputs]

    def _called(self, inputs: tuple[Tensor, ...]) -> Any:
        named = list(zip(self.names or [""] * len(inputs), inputs, strict=True))
        return self.module(*(one for name, one in named if not name), **{name: one for name, one in named if name})

    def _probe(self, output: Tensor, at: int) -> Tensor:
        """Return what an output is multiplied with, so that each element has a gradient of its own."""
        generator = torch.Generator().manual_seed(self.case.seed + 100 + at)
        shape = list(output.shape)
        shape[:1] = [shape[0] * self.case.ways.data] if shape else []
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(output.device, output.dtype)

    def _loss(self, output: Tensor, probe: Tensor) -> Tensor:
        return loss_of(output, probe)

    def _watch(self, path: str) -> Callable[..., None]:
        """Return a hook that notes the gradient of what a module makes."""
        kept = self.gradients.setdefault(path, [])

        def note(_module: nn.Module, _given: Any, made: Tensor) -> None:
            if not made.requires_grad:
                return
            kept.append(None)
            at = len(kept) - 1

            def keep(gradient: Tensor) -> None:
                kept[at] = _whole(gradient)

            made.register_hook(keep)  # type: ignore[no-untyped-call]

        return note

    def _gradients(self) -> dict[str, Tensor]:
        """Return gradients of inputs, and of all parameters."""
        ways, found = self.case.ways, dict[str, Tensor]()
        for at, one in enumerate(self.inputs):
            if one.grad is not None:
                found[f"input {at}" if len(self.inputs) > 1 else "input"] = self._input(one.grad)
        for path, kept in self.gradients.items():
            parts = [one for one in kept if one is not None]
            if parts:
                whole = torch.cat(parts)
                found[path] = self._gathered(whole) if self.mesh is not None and ways.data > 1 else whole
        first = {} if self.stage is None else self.stage.first_names
        for path, one in self.module.named_parameters():
            found |= {first.get(name, name): each for name, each in self._parameter(path, one.grad).items()}
        return found

    def _input(self, gradient: Tensor) -> Tensor:
        """Return the gradient of an input: each rank has that of its samples, and zeros for the others."""
        if self.mesh is not None and self.case.ways.data > 1:
            gradient = gradient.clone()
            torch.distributed.all_reduce(gradient, group=self.mesh["data"].get_group())
        return gradient

    def _parameter(self, path: str, gradient: Tensor | None) -> dict[str, Tensor]:
        """Return the gradient of a parameter by its name; of one that several were joined to, theirs."""
        if gradient is None:
            return {}
        # FSDP2 gives the mean over ranks, and the loss is a sum over samples
        whole = _whole(gradient) * (self.case.ways.data if self.mesh is not None else 1)
        module, _, name = path.rpartition(".")
        owner = self.module.get_submodule(module)
        if not isinstance(owner, Joined):
            return {path: whole}
        parent = module.rpartition(".")[0]
        return {".".join(filter(None, (parent, part, name))): one for part, one in owner.apart(whole)}

    def _gathered(self, output: Tensor) -> Tensor:
        """Return the samples of all ranks."""
        if self.mesh is None or self.case.ways.data == 1:
            return output
        group = self.mesh["data"].get_group()
        parts = [torch.empty_like(output) for _ in range(self.case.ways.data)]
        torch.distributed.all_gather(parts, output.contiguous(), group=group)
        return torch.cat(parts)

    @staticmethod
    def _named(outputs: list[Tensor], gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        several = len(outputs) > 1
        named = {f"{OUTPUT} {at}" if several else OUTPUT: one.detach() for at, one in enumerate(outputs)}
        return named | {GRADIENT + path: one.detach() for path, one in gradients.items()}


def floats(made: Any) -> list[Tensor]:
    """Return the tensors of real numbers in what a module returns."""
    return [one for one in tree_leaves(made) if isinstance(one, Tensor) and one.is_floating_point()]


def loss_of(output: Tensor, probe: Tensor) -> Tensor:
    """Return the sum of an output's elements, each times a number of its own; of one that is cut, of this rank's."""
    if not isinstance(output, DTensor):
        return (output * probe).sum()
    from torch.distributed.tensor import distribute_tensor

    own: Any = distribute_tensor(probe, output.device_mesh, output.placements)
    local: Tensor = output.to_local(grad_placements=output.placements)
    loss: Tensor = (local * own.to_local()).sum()
    return loss


def _whole(one: Tensor) -> Tensor:
    """Return a tensor with the parts of all ranks."""
    whole: Tensor = one.full_tensor() if isinstance(one, DTensor) else one
    return whole.detach()
