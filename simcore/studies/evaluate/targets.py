"""What can be evaluated: families of figures and tables, each with the module that makes them and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Figures and tables of one publication.

    Attributes
    ----------
    name : str
        What its targets begin with, before the dash.
    module : str
        Has ``evaluate(request, **options)``, which returns an `Evaluation`.
    titles : mapping of str to str
        Target, to a line on it.
    fields : tuple of str
        Fields of the request that it takes, beside the target and ``small``.
    runtime : tuple of str
        What it takes beside the request.
    what : str
        What it is, for messages.
    """

    name: str
    module: str
    titles: Mapping[str, str]
    fields: tuple[str, ...]
    runtime: tuple[str, ...]
    what: str


NETWORK = Family(
    "network",
    "simcore.studies.evaluate.network",
    {
        "network-fig12": "Speed-up over an equal split of the 2D network",
        "network-fig13": "Network cost",
        "network-fig14": "Performance per cost over an equal split of the 2D network",
        "network-fig15": "Slowdown on a split made for another workload",
        "network-table6": "The four splits of Table VI beside the original optimiser's",
    },
    ("resolve", "engine"),
    ("jobs", "state"),
    "a figure of the network study",
)
PIT = Family(
    "pit",
    "simcore.studies.evaluate.pit",
    {
        "pit-fig15": "Sparse matrix products: dense, CSR, BSR and PIT, quickest kernel of each",
        "pit-fig16": "32x1 micro-tiles against whole 32x64 blocks in the same tile: what gathering costs",
        "pit-fig17": "Building the index of a sparse matrix",
        "pit-moe": "A mixture of experts: one by one, padded, grouped",
        "pit-sequence": "Sequences of different lengths: padded against packed with its index",
    },
    ("device",),
    (),
    "a target that is measured: pit-...",
)
PIT_MODELS = Family(
    "pit",
    "simcore.studies.evaluate.pit_models",
    {
        "pit-fig8": "Switch-base, inference: experts",
        "pit-fig9": "OPT, inference: padded batches and zeros behind ReLU",
        "pit-fig10": "BERT, inference: batches of unequal lengths",
        "pit-fig11": "Longformer, inference: window and global tokens",
        "pit-fig12": "Museformer, inference: fine and coarse attention",
        "pit-fig13": "OPT, training: batches of unequal lengths",
        "pit-fig14": "BERT pruned in training: blocks of weights",
    },
    ("device", "predict", "extrapolate"),
    (),
    "a model of PIT: pit-fig8 to pit-fig14",
)
MEGATRON = Family(
    "megatron",
    "simcore.studies.evaluate.megatron",
    {"megatron-selene": "Iterations of Megatron-LM on Selene, beside those that were measured"},
    (),
    (),
    "iterations of Megatron-LM",
)
SLAPO = Family(
    "slapo",
    "simcore.studies.evaluate.slapo",
    {
        "slapo-fig7": "Runs of four systems on up to 8 V100: whether each fits, and predicted samples per second",
        "slapo-fig8": "Llama-7B and a GPT on 16 to 64 V100: predicted samples per second",
        "slapo-fig9": "BERT on V100, step by step: predicted samples per second",
        "slapo-fig10": "Two tuning grids of batch and recomputed blocks: predicted beside measured",
        "slapo-table4": "Steps of schedules beside published lines",
    },
    (),
    (),
    "the evaluation of Slapo",
)
EASYSCALE = Family(
    "easyscale",
    "simcore.studies.evaluate.easyscale",
    {
        "easyscale-fig10": "Memory and time of workers that share a V100, and of packed ones, beside the model",
        "easyscale-fig11": "What context switches of workers cost",
        "easyscale-fig12": "What determinism costs, by model and GPU",
        "easyscale-fig13": "Mini-batches of the first workers and of the last over a step of DistributedDataParallel",
    },
    (),
    (),
    "the overheads of EasyScale",
)
EASYSCALE_RUNS = Family(
    "easyscale",
    "simcore.studies.evaluate.easyscale_runs",
    {
        "easyscale-fig9": "Losses of elastic training minus those of DistributedDataParallel, by level of determinism",
        "easyscale-fig14": "Mean JCT and makespan of the trace, published and ours, without costs and with them",
        "easyscale-fig15": "Allocated GPUs of the trace over time, without what elastic workers cost and with it",
    },
    (),
    (),
    "the runs of EasyScale",
)
FAMILIES = (NETWORK, PIT, PIT_MODELS, MEGATRON, SLAPO, EASYSCALE_RUNS, EASYSCALE)

TARGETS: Mapping[str, Family] = {target: family for family in FAMILIES for target in family.titles}
"""All targets."""
EXAMPLE = "network-fig12 --small"
"""Arguments of the command that would do."""
