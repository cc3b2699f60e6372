"""Inputs of ``simcore schedule``."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError, field
from simcore.studies.deployment.parallel import PRECISIONS, MachineRequest
from simcore.studies.request import option

MAX = "max"
"""Word for the largest batch that fits."""


class ScheduleRequest(MachineRequest):
    """A model on GPUs, and the steps that change how it is trained."""

    study = "schedule"

    steps: str | None = option(
        kw_only=True, default=None, metavar="STEP,...",
        help="Steps in order, such as sdpa,fuse_bias_gelu,checkpoint=0.25 or block.0-11.attention:sdpa.",
    )  # fmt: skip
    schedule: str | Path | None = option(
        kw_only=True, default=None, metavar="NAME|FILE", help="A schedule of the zoo or a file, in place of steps."
    )
    parallel: str = option(
        kw_only=True, default="dp", metavar="TEXT",
        help="How it is spread over the GPUs: tp=8, pp=2,tp=4, zero3, or dp. What is not given is data parallelism.",
    )  # fmt: skip
    batch: int | str | None = option(
        kw_only=True, default=None, least=1, metavar="N|max",
        help="Sequences of an iteration; max is the largest that fits after each step. By default one for each GPU.",
    )  # fmt: skip
    micro_batch: int | None = option(
        kw_only=True, default=None, least=1,
        help="Sequences of a micro-batch; by default one with a pipeline, and all of a replica's without.",
    )  # fmt: skip
    sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens of a sequence, in place of the model's."
    )
    encoder_sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens that an encoder reads, where its decoder reads others."
    )
    precision: str | None = option(
        kw_only=True, default=None, choices=PRECISIONS,
        help="Number format of products; by default the first of bf16, fp16 and fp32 that the device has.",
    )  # fmt: skip

    stack: str | Path | None = option(
        kw_only=True, default="none", metavar="NAME|FILE|none",
        help="What software reaches of device and network, as measured iterations show it; none takes all they can.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is not None and self.schedule is not None:
            found = f"it beside {field('schedule')}"
            raise InputError(field("steps"), found, "one of the two", "Leave one out.")
        if self.batch is not None and self.batch != MAX:
            count = int(self.batch) if str(self.batch).isdigit() else 0
            if count < 1:
                raise InputError(field("batch"), f"'{self.batch}'", "a whole number of at least 1, or max")
            object.__setattr__(self, "batch", count)
