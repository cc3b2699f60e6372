"""Inputs of ``simcore memory``."""

from __future__ import annotations

from simcore.studies.deployment.parallel import ParallelRequest


class MemoryRequest(ParallelRequest):
    """A model on GPUs whose memory is asked for."""

    study = "memory"
