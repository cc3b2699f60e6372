"""What logical workers cost, as a profile holds it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simcore.models.training.listing import Family
from simcore.readers.quantities import Measure, Strict, Whole

_Positive = Annotated[Measure, Field(gt=0)]
_Size = Annotated[Whole, Field(ge=1)]


class _Shared(Strict):
    model: str
    batch: _Size
    system: Literal["sharing", "packing"]
    workers: _Size
    memory_B: _Positive
    time_s: _Positive


class _SharedStep(Strict):
    model: str
    batch: _Size
    workers: Annotated[Whole, Field(ge=2)]
    unswitched_s: _Positive
    switched_s: _Positive
    last_s: _Positive
    copy_s: _Positive


class _Determinism(Strict):
    model: str
    batch: _Size
    gpu: str
    none_s: _Positive
    d1_s: _Positive
    d2_s: _Positive
    family: Family


class ElasticSchema(Strict):
    """Memory and steps of workers that share a process, of packed ones, a change of processes, and determinism."""

    sharing: list[_Shared]
    steps: list[_SharedStep]
    rescale_s: _Positive
    determinism: list[_Determinism] = Field(default_factory=list)
