"""The module that is verified, and inputs for it; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from simcore.errors import InputError, field
from simcore.models.training.architecture import Transformer
from simcore.real.capture import Given, made_by, parse_example
from simcore.real.convolutional import WideResNet
from simcore.real.language import Stack, language_model
from simcore.real.sizes import WideSizes
from simcore.real.verify.case import Case

NOISE = 0.02
"""Spread of what is added to all weights of simcore's modules: a norm's bias of 0 would hide that it is left out."""

CLOSEST = 2e-6
"""Smallest input of a ReLU over the largest one, so that rounding in fp32 does not change its sign."""

TRIES = 50
"""Random weights that are tried for that."""


@dataclass
class Built:
    """A module with inputs.

    Attributes
    ----------
    module : nn.Module
        The module.
    inputs : tuple of Tensor
        What it is called with.
    names : tuple of str
        Keywords of inputs, empty for one by its place; empty where all are.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...] = ()

    def to(self, dtype: torch.dtype, device: str) -> Built:
        """Return the same in a number format, on a device."""
        floats = [one.to(dtype) if one.is_floating_point() else one for one in self.inputs]
        return Built(self.module.to(device, dtype), tuple(one.to(device) for one in floats), self.names)


def built(case: Case) -> Built:
    """Return the module of a case, the same on every rank, in fp64.

    Raises
    ------
    InputError
        If a user's function gives no module with inputs.
    """
    torch.manual_seed(case.seed)
    if isinstance(case.model, str):
        own = own_module(case.model, case.example).to(torch.float64, "cpu")
        _check_samples(own, case.ways.data)
        return own
    make = _images if isinstance(case.model, WideSizes) else _language
    made = make(case)
    for _ in range(TRIES):
        if _is_smooth(made):
            break
        made = make(case)
    return made


def _is_smooth(made: Built) -> bool:
    """Say whether no ReLU reads what is 0 but for rounding: its gradient would jump, whatever a schedule does."""
    least = [1.0]

    def note(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        sizes = given[0].abs()
        least.append(float(sizes.min() / sizes.max()))

    hooks = [one.register_forward_pre_hook(note) for one in made.module.modules() if isinstance(one, nn.ReLU)]
    if hooks:
        with torch.no_grad():
            made.module.eval()(*made.inputs)
    for hook in hooks:
        hook.remove()
    return min(least) > CLOSEST


def _noisy(module: nn.Module) -> nn.Module:
    """Return a module of fp64 with no parameter, and no statistics of a norm, at 0 or 1."""
    module = module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(NOISE * torch.randn_like(weight))
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(NOISE * torch.randn_like(buffer).abs())
    return module


def _images(case: Case) -> Built:
    sizes = case.model
    assert isinstance(sizes, WideSizes)
    module = _noisy(WideResNet(sizes.depths, sizes.base, sizes.width, sizes.classes))
    return Built(module, (torch.randn(case.batch, 3, sizes.side, sizes.side, dtype=torch.float64),))


def _language(case: Case) -> Built:
    assert isinstance(case.model, Transformer)
    module = _noisy(language_model(case.model))
    lengths = [case.sequence]
    if case.model.encoder is not None:
        lengths.insert(0, case.model.encoder.sequence or case.sequence)
    inputs = [torch.randint(case.model.vocabulary or 1, (case.batch, tokens)) for tokens in lengths]
    return Built(module, tuple(inputs))


def own_module(spec: str, example: str) -> Built:
    """Return a user's module, with the inputs that its function returns or random ones of given shapes.

    Raises
    ------
    InputError
        If it gives no module, or no inputs where no shapes are given.
    """
    made = deepcopy(made_by(spec, field("model"))())
    if example:
        module, given = made[0] if isinstance(made, Sequence) else made, parse_example(example)
        if isinstance(module, nn.Module):
            return Built(module, tuple(_random(one, module) for one in given), tuple(one.name for one in given))
    expected = f"a torch.nn.Module and its inputs: return module, (tensor, ...), or add {field('example')}"
    if not (isinstance(made, Sequence) and len(made) == 2 and isinstance(made[0], nn.Module)):
        raise InputError(field("model"), f"'{spec}', which returns {type(made).__name__}", expected)
    module, inputs = made
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not all(isinstance(one, Tensor) for one in tensors):
        raise InputError(field("model"), f"'{spec}', whose inputs are not all tensors", expected)
    return Built(module, tensors)


def _check_samples(own: Built, ranks: int) -> None:
    """Refuse inputs whose samples do not go round among ranks."""
    for one in own.inputs:
        samples = one.shape[0] if one.dim() else 1
        if samples % ranks:
            found = f"{samples} samples for {ranks} ranks with samples of their own"
            raise InputError(field("ranks"), found, f"a divisor of {samples}")


def _random(given: Given, module: nn.Module) -> Tensor:
    """Return an input of random numbers; whole ones are rows that every table of the module has."""
    dtype = getattr(torch, given.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise InputError(field("example"), f"':{given.dtype}'", "a number format of torch, such as int64 or float32")
    if dtype.is_floating_point:
        return torch.randn(given.shape, dtype=dtype)
    rows = min((one.num_embeddings for one in module.modules() if isinstance(one, nn.Embedding)), default=2)
    return torch.randint(2 if dtype is torch.bool else rows, given.shape).to(dtype)


def entries(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that turn whole numbers into vectors: their outputs have the gradients that inputs lack."""
    kinds = ("embedding", "encoder.embedding") if isinstance(module, Stack) else ()
    paths = dict(module.named_modules())
    if isinstance(module, Stack):
        return {path: paths[path] for path in kinds if path in paths}
    return {path: one for path, one in paths.items() if isinstance(one, nn.Embedding)}
