"""A torch module whose dynamically sparse operators run by PIT's kernels: its outputs and gradients stay the same."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from simcore.models.compute.profile import KernelProfile
from simcore.real.sparse.choice import Chooser, by_profile, least_covered
from simcore.real.sparse.operators import Stopwatch
from simcore.real.sparse.pit import PitOperators, Site

Module = TypeVar("Module", bound=nn.Module)


class Pitified:
    """Mixed into the class of a module that `pitify` returns.

    Attributes
    ----------
    pit_sites : dict
        Operators by kind and number, as they were when they were first seen.
    pit_stopwatch : Stopwatch
        What times indices.
    """

    pit_sites: dict[tuple[str, int], Site]
    pit_choose: Chooser
    pit_stopwatch: Stopwatch

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module, its sparse operators by PIT's kernels."""
        with PitOperators(self.pit_sites, self.pit_choose, self.pit_stopwatch):
            return super().forward(*args, **kwargs)  # type: ignore[misc]  # the module's own class comes next


def pitify(module: Module, *example: Any, profile: KernelProfile | None = None) -> Module:
    """Return a module that runs dynamically sparse operators by PIT's kernels.

    Zeros are found anew at every call, so masks may change. Which operators are sparse, and the kernel of each, is
    decided when an operator is first seen. `simcore.real.sparse.operators` says what is found. The gradient of a
    sparse operand is skipped at its zeros only where nobody reads it.

    Parameters
    ----------
    module : Module
        Any torch module. It is not changed.
    *example : Tensor
        Inputs to decide by; without any, those of the first call.
    profile : KernelProfile, optional
        Of the device, to choose each kernel by predicted times, dense among them. By default the kernel is taken that
        covers least, and dense where each covers all.

    Returns
    -------
    Module
        Of a class derived from the module's own, with the same parameters and buffers: they are shared.

    Examples
    --------
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 8))
    >>> _ = nn.init.constant_(module[0].bias[8:], -9.0)
    >>> x = torch.rand(32, 8)
    >>> made = pitify(module, x)
    >>> [site.choice.kernel.name for site in made.pit_sites.values() if site.pit]
    ['k-axis 32x1']
    >>> torch.allclose(made(x), module(x), atol=1e-6)
    True
    """
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    made = copy.deepcopy(module, shared)
    kind = type(module)
    made.__class__ = type(f"Pit{kind.__name__}", (Pitified, kind), {"__module__": kind.__module__})
    fields: dict[str, Any] = {
        "pit_sites": {}, "pit_choose": by_profile(profile) if profile else least_covered, "pit_stopwatch": Stopwatch()
    }  # fmt: skip
    vars(made).update(fields)
    if example:
        with torch.no_grad():
            made(*example)
    return made
