"""Inputs of ``simcore train``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from simcore.errors import InputError, field
from simcore.models.network.chunk_counts import AUTO, MOST_CHUNKS
from simcore.models.network.conventions import ASTRA_SIM_2_AWARE
from simcore.models.network.conventions import CONVENTIONS as ALL_CONVENTIONS
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.schedulers.registry import SCHEDULERS
from simcore.models.training.program import Loop, PipelineOrder
from simcore.studies.deployment.request import RECOMPUTE, DeploymentRequest, in_words
from simcore.studies.request import Instead, argument, option
from simcore.units import LARGEST, SMALLEST

CONVENTIONS = tuple(name for name in ALL_CONVENTIONS if name != ASTRA_SIM_2_AWARE.name)
"""What a chunk may cost in an iteration, where several collectives and dimensions are busy at once."""


class TrainRequest(DeploymentRequest):
    """One training iteration on a network."""

    study = "train"

    network: str | Path = argument(
        metavar="NETWORK",
        help="A name in the zoo, the path of a file, or, without a budget, a network with its bandwidths.",
        instead=Instead(
            "--network",
            "TEXT|NAME|FILE",
            "A network with its bandwidths, in place of NETWORK and BUDGET: "
            "'Ring(4)@200GB/s,500ns x Switch(4)@50GB/s,1us'.",
            omits=("budget",),
        ),
    )
    budget: float | str | None = argument(
        metavar="BUDGET",
        unit="B/s",
        help="Bandwidth of one NPU in all, in one direction; bare text is GB/s, as in 325. None where the network "
        "brings its bandwidths.",
    )
    workload: str | Path = argument(
        metavar="WORKLOAD",
        help="A name in the zoo, or the path of a file.",
        instead=Instead("--model", "FILE", "A transformer or Hugging Face config.json, in place of WORKLOAD."),
    )
    split: str | Sequence[float] = option(
        default="equal",
        metavar="equal|optimal|B1,B2,...",
        help="How the budget is split over the dimensions; text is in GB/s, numbers in B/s.",
    )
    loop: str = option(
        default="simulate",
        choices=Loop,
        help="What waits for what; with simulate layers wait for their input gradients only.",
    )
    chunks: int | str = option(
        default=AUTO,
        choices=(AUTO,),
        beside="COUNT",
        least=1,
        most=MOST_CHUNKS,
        metavar="auto|COUNT",
        help="Into how many each collective is cut; auto takes the fastest of 1, 2, 4, ... 64, by ASTRA-sim's "
        "conventions 64.",
    )
    schedule: str | type[Scheduler] = option(
        default="ascending", choices=SCHEDULERS, beside="FILE.py:CLASS", help="Order of dimensions per chunk."
    )
    convention: str = option(
        default="physical", choices=CONVENTIONS, help="What a chunk costs: by physics, or as ASTRA-sim counts it."
    )
    in_flight: int = option(default=1, least=1, most=MOST_CHUNKS, help="Chunks under way in a dimension at once.")
    policy: str = option(
        default="fifo",
        choices=("fifo", "lifo"),
        help="Where weight gradients queue: behind what waits, or ahead of it as what a layer waits for does.",
    )
    passes: int = option(
        default=1, least=1, help="Iterations that follow each other; the report is of one in the mean."
    )
    compute_scale: float = option(
        default=1.0, least=SMALLEST, most=LARGEST, help="Factor on all compute: 0.5 is half of it."
    )
    recompute: str | bool | None = option(
        default=None,
        choices=RECOMPUTE,
        bare="full",
        help="Recompute activations block by block, compute and collectives of the forward pass "
        "(optimize --recompute: collectives only). By default with the loop simulate; bare it means full.",
    )
    slow: str | None = option(
        default=None,
        metavar="rank=N,...",
        help="A rank that the others wait for: rank=3,compute=1.2 or rank=3,bandwidth=0.5,dimension=2.",
    )
    zero: int = option(default=0, least=0, most=3, help="Stage of ZeRO: 0 or 3.")
    stages: int = option(default=1, least=1, help="Pipeline stages, on the outermost dimensions.")
    micro_batches: int | None = option(
        default=None, least=1, help="Micro-batches, a divisor of the batch; by default up to four per stage."
    )
    order: str = option(default="1F1B", choices=PipelineOrder, help="Order of micro-batches.")
    vp: int | None = option(
        default=None, least=1, help="Model chunks of each pipeline stage, interleaved; 1 if not given."
    )
    stage_layers: Sequence[int] | str | None = option(
        default=None, metavar="N,N,...", help="Blocks of each stage, or model chunk, where they are uneven."
    )

    def __post_init__(self) -> None:
        if str(self.convention).lower() == ASTRA_SIM_2_AWARE.name:
            expected = "a convention that knows several collectives and dimensions at once"
            remedy = f"Use {', '.join(CONVENTIONS[:-1])} or {CONVENTIONS[-1]}."
            raise InputError(field("convention"), f"'{self.convention}'", expected, remedy)
        if isinstance(self.split, Iterable) and not isinstance(self.split, str):
            object.__setattr__(self, "split", tuple(self.split))
        object.__setattr__(self, "recompute", in_words(self.recompute))
        super().__post_init__()
