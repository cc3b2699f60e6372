"""What is verified: a module, its steps, and how it is spread over ranks. It is sent to every rank."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.architecture import Transformer
from simcore.models.training.schedule import Primitive, Schedule, Step, Value
from simcore.models.training.schedule.primitives.registry import PRIMITIVES, primitive
from simcore.real.sizes import WideSizes


@dataclass(frozen=True)
class Ways:
    """How a module is spread over ranks.

    Attributes
    ----------
    tp : int
        Ranks that share each product.
    pp : int
        Stages of the pipeline.
    data : int
        Ranks that train on samples of their own, and shard all weights among them (ZeRO-3).
    """

    tp: int = 1
    pp: int = 1
    data: int = 1

    @property
    def ranks(self) -> int:
        """How many there are.

        Examples
        --------
        >>> Ways(tp=2, pp=2).ranks
        4
        """
        return self.tp * self.pp * self.data


@dataclass(frozen=True)
class StepText:
    """A step in a form that another process can read.

    Attributes
    ----------
    primitive : str
        Its name, or ``FILE.py:CLASS``.
    value, path, options
        As those of `Step`.
    """

    primitive: str
    value: Value
    path: str
    options: Mapping[str, Value] = field(default_factory=dict)

    def step(self) -> Step:
        """Return the step."""
        return Step(primitive(self.primitive, named("steps")), self.value, self.path, self.options)


@dataclass(frozen=True)
class Case:
    """What is verified.

    Attributes
    ----------
    model : Transformer, WideSizes or str
        Sizes of a language model, or of a Wide-ResNet, or ``FILE.py:FUNCTION`` that builds a module with its inputs.
    steps : tuple of StepText
        The schedule.
    example : str
        Inputs of a user's module, as `simcore.real.capture.parse_example` reads them; empty where its function returns
        them.
    ways : Ways
        How it is spread over ranks.
    stages : tuple of int
        Blocks of each stage of the pipeline.
    batch, sequence : int
        Sequences or images, and tokens of a sequence.
    precisions : tuple of str
        Number formats.
    dropout : bool
        Whether activations are dropped, by a seed of each rank.
    device : str
        ``cpu`` or ``cuda``.
    seed : int
        Of weights and inputs.
    """

    model: Transformer | WideSizes | str
    steps: tuple[StepText, ...] = ()
    example: str = ""
    ways: Ways = Ways()
    stages: tuple[int, ...] = ()
    batch: int = 12
    sequence: int = 12
    precisions: tuple[str, ...] = ("fp64", "fp32")
    dropout: bool = False
    device: str = "cpu"
    seed: int = 0

    @property
    def schedule(self) -> Schedule:
        """The schedule."""
        return Schedule(tuple(each.step() for each in self.steps))


def texts_of(schedule: Schedule) -> tuple[StepText, ...]:
    """Return the steps of a schedule as other processes can read them."""
    return tuple(StepText(_spec(each.primitive), each.value, each.path, dict(each.options)) for each in schedule.steps)


def _spec(verb: Primitive) -> str:
    """Return the text that names a primitive: of one from a file the file, too."""
    kind = type(verb)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if verb.name in PRIMITIVES and kind.__module__.startswith("simcore."):
        return verb.name
    if file is None:
        found = f"{verb.name}, a class without a file"
        raise InputError(named("steps"), found, "a primitive that other processes can load", "Put it into a file.")
    return f"{file}:{kind.__qualname__}"
