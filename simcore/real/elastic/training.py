"""What is trained: a module, its data, its loss and how samples are changed at random; a user's file may bring it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.calibrate.measure.device import require_torch
from simcore.errors import InputError, field
from simcore.plugins import load
from simcore.real.elastic.job import GROUP, MODELS

if TYPE_CHECKING:
    import torch

_EXPECTED = "a function that returns (module, dataset), (module, dataset, loss) or (module, dataset, loss, augment)"


@dataclass(frozen=True)
class Training:
    """A model and what it is trained on.

    Attributes
    ----------
    module : torch.nn.Module
        The model.
    dataset : sized, with items by number
        Each item is an input and a target. It draws no random numbers.
    loss : callable
        Of the module's output and the targets; None for cross-entropy.
    augment : callable or None
        Changes a batch of inputs with a `torch.Generator`, which belongs to the logical worker.
    """

    module: torch.nn.Module
    dataset: Any
    loss: Callable[[Any, Any], Any] | None = None
    augment: Callable[[Any, torch.Generator], Any] | None = None

    def loss_of(self, inputs: Any, targets: Any, module: Any) -> Any:
        """Return the loss of a batch; `module` is the model, or what wraps it."""
        measure = self.loss or require_torch().nn.functional.cross_entropy
        return measure(module(inputs), targets)


def training_of(model: str, seed: int) -> Training:
    """Make a training: the same weights for the same seed.

    Parameters
    ----------
    model : str
        One of `simcore.real.elastic.job.MODELS`, or ``FILE.py:NAME``.
    seed : int
        Of the weights.

    Raises
    ------
    InputError
        If there is no such model, its function fails, or it returns something else.

    Examples
    --------
    >>> training = training_of("mlp", 0)
    >>> len(training.dataset), tuple(training.dataset[0][0].shape)
    (262, (32,))
    """
    torch = require_torch()
    build = load(model, GROUP, MODELS, field("model"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            made = build()
        except Exception as error:
            found = f"'{model}', which fails: {type(error).__name__}: {error}"
            raise InputError(field("model"), found, _EXPECTED) from error
    parts = (made.module, made.dataset) if isinstance(made, Training) else made
    if not isinstance(parts, tuple) or not 2 <= len(parts) <= 4 or not _fits(parts[0], parts[1]):
        raise InputError(field("model"), f"'{model}', which returns {type(made).__name__}", _EXPECTED)
    return made if isinstance(made, Training) else Training(*made)


def _fits(module: Any, dataset: Any) -> bool:
    torch = require_torch()
    return isinstance(module, torch.nn.Module) and hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
