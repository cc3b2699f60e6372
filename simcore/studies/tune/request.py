"""Inputs of ``simcore tune``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simcore.errors import InputError, field
from simcore.studies.deployment.parallel import PRECISIONS, MachineRequest
from simcore.studies.request import option

STRATEGIES = ("exhaustive", "coordinate", "predict-then-measure", "certified")
"""Ways to search; the last one measures nothing."""


class TuneRequest(MachineRequest):
    """A model on GPUs, whose batch, recomputation, parallelism and kernels are chosen."""

    study = "tune"

    space: str | Path | None = option(
        kw_only=True, default=None, metavar="FILE",
        help="What may be chosen, a YAML file; by default the cells of --measured, or some usual batches and ratios.",
    )  # fmt: skip
    strategy: str | None = option(
        kw_only=True, default=None, choices=STRATEGIES,
        help="How it is searched; by default predict-then-measure where something is measured, else exhaustive.",
    )  # fmt: skip
    measured: str | Path | None = option(
        kw_only=True, default=None, metavar="FILE",
        help="Measured cells, a table of which the search sees what it asks for; by default it asks the model.",
    )  # fmt: skip
    measure: str | Callable[..., Any] | None = option(
        kw_only=True, default=None, metavar="FILE.py:NAME",
        help="A function that measures a cell: it gives samples per second, or None where memory runs out.",
    )  # fmt: skip
    log: str | Path | None = option(
        kw_only=True, default=None, metavar="FILE", written=True,
        help="Where to keep what the function measured, cell by cell; a search that was interrupted goes on from it.",
    )  # fmt: skip
    most: int | None = option(kw_only=True, default=None, least=1, help="How many cells may be measured.")
    sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens of a sequence, in place of the model's."
    )
    encoder_sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens that an encoder reads, where its decoder reads others."
    )
    micro_batch: int | None = option(
        kw_only=True, default=None, least=1,
        help="Sequences of a micro-batch; by default one with a pipeline, and all of a replica's without.",
    )  # fmt: skip
    precision: str | None = option(
        kw_only=True, default=None, choices=PRECISIONS,
        help="Number format of products; by default the first of bf16, fp16 and fp32 that the device has.",
    )  # fmt: skip
    host_link: float | str | None = option(
        kw_only=True, default=None, metavar="GB/S", unit="B/s",
        help="What a GPU sends to the memory of its host in one direction, for certified; by default as its data sheet "
        "says.",
    )  # fmt: skip
    stack: str | Path | None = option(
        kw_only=True, default="none", metavar="NAME|FILE|none",
        help="What software reaches of device and network, as measured iterations show it; none takes all they can.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        sources = [name for name in ("measured", "measure") if getattr(self, name) is not None]
        if len(sources) > 1:
            found = f"it beside {field('measure')}"
            raise InputError(field("measured"), found, "one of the two", "Leave one out.")
        if self.log is not None and self.measure is None:
            found = f"it without {field('measure')}"
            raise InputError(field("log"), found, "a function whose measurements are kept", "Leave it out.")
        if self.strategy == "certified" and sources:
            found = f"it with {field('strategy')} certified"
            raise InputError(field(sources[0]), found, "another strategy: certified measures nothing", "Leave it out.")
        if self.host_link is not None and self.strategy != "certified":
            found = "it without certified, which alone offloads"
            raise InputError(field("host_link"), found, f"{field('strategy')} certified", "Leave it out.")
