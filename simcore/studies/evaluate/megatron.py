"""``simcore evaluate megatron-selene``: training iterations of Megatron-LM, predicted beside measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, Recompute
from simcore.readers.models import read_model
from simcore.readers.profiles import read_gpu
from simcore.readers.references import PublishedIteration, read_references
from simcore.readers.stacks import read_stack
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.targets import MEGATRON
from simcore.studies.inputs import resolve_network

REFERENCE, DEVICE, NETWORK = "megatron-selene", "a100-80gb", "selene"
"""Entries of the zoo: the iterations, the GPU and the network."""

STACK = "megatron-lm-selene-a100-80gb"
"""Constants of Megatron-LM on this device in the zoo, which were fitted to the iterations whose time is given."""

TABLE = "megatron_selene"


class MegatronEvaluation(Evaluation):
    """Iterations of Megatron-LM, predicted beside measured."""

    def report(self) -> Sequence[Block]:
        """Return each iteration with its error, and how the numbers were made."""
        rows = [
            (
                row["model"], row["recompute"], f"{row['predicted']:.2f}",
                "" if row["measured"] is None else f"{row['measured']:.2f}",
                "" if row["measured"] is None else f"{row['predicted'] / row['measured'] - 1:+.1%}",
                "yes" if row["fitted"] else "no",
            )
            for row in self.data[TABLE]
        ]  # fmt: skip
        columns = [Column("model", left=True), Column("recompute", left=True), Column("predicted [s]"),
                   Column("measured [s]"), Column("error"), Column("fitted", left=True)]  # fmt: skip
        return [Headline(self.title), Grid(columns, rows, keys=2), Sentences("", self.sentences())]


def evaluate(request: EvaluateRequest) -> MegatronEvaluation:
    """Predict the iterations of a table of Megatron-LM.

    Raises
    ------
    InputError
        If only a part is asked for: the table has one size.
    """
    if request.small:
        remedy = f"Leave {named('small')} out: the table has one size."
        raise InputError(named("small"), request.target, "a figure", remedy)
    published, made = read_references(REFERENCE), _Made()
    rows = [
        (each.name, each.recompute, _seconds(each, made), each.time, each.time is not None)
        for each in published.value.iterations
    ]
    table = Table(["model", "recompute", "predicted", "measured", "fitted"], rows, {"predicted": "s", "measured": "s"})
    return MegatronEvaluation(
        request=request,
        title=MEGATRON.titles[request.target],
        data={TABLE: table},
        settings={"device": DEVICE, "network": NETWORK, "reference": REFERENCE, "stack": STACK},
        notes=tuple(_notes(table)),
        provenance=Provenance(
            command=request.study,
            inputs=request.inputs(),
            sha256={f"references/{published.name}": published.sha256, **made.sha256},
            versions=versions("numpy"),
        ),
    )


@dataclass
class _Made:
    """What evaluates models, each by model and GPUs, and the hashes of what was read."""

    evaluators: dict[tuple[str, int], Evaluator] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def of(self, model: str, gpus: int) -> Evaluator:
        """Return what evaluates a model on so many GPUs."""
        if (model, gpus) not in self.evaluators:
            read, device = read_model(model), read_gpu(DEVICE)
            spec, network = resolve_network(NETWORK, gpus=gpus)
            transformer, sequence = read.value.transformer, read.value.sequence
            assert transformer is not None
            assert sequence is not None
            assert spec.bandwidths is not None
            stack = read_stack(STACK)
            machine = Machine(device.value, spec.topology, spec.bandwidths, spec.collectives, stack.value)
            self.evaluators[model, gpus] = Evaluator(transformer, sequence, machine)
            self.sha256 |= {f"models/{model}": read.sha256, f"devices/{DEVICE}": device.sha256}
            self.sha256[f"stacks/{STACK}"] = stack.sha256
            self.sha256 |= {f"networks/{NETWORK}": each for each in network.values()}
        return self.evaluators[model, gpus]


def layout_of(published: PublishedIteration) -> Layout:
    """Return the layout of a published iteration: fp16, with attention that writes its scores.

    Examples
    --------
    >>> layout = layout_of(PublishedIteration("1T", "megatron-1t", "seqsel", 8, 64, 1, 1, 512, 1, None))
    >>> layout.gpus, layout.micro_batches, layout.recompute.value, layout.sequence_parallel
    (512, 512, 'selective', True)
    """
    core_alone = published.recompute == "seqsel"
    return Layout(
        tp=published.tp, pp=published.pp, vp=published.vp, dp=published.dp, micro_batch=published.micro_batch,
        micro_batches=published.global_batch // (published.micro_batch * published.dp),
        sequence_parallel=core_alone, recompute=Recompute.SELECTIVE if core_alone else Recompute.FULL,
        order="interleaved" if published.vp > 1 else "1F1B", fused_attention=False,
        number_format=NUMBER_FORMATS["fp16"],
    )  # fmt: skip


def _seconds(published: PublishedIteration, made: _Made) -> float:
    layout = layout_of(published)
    return made.of(published.model, layout.gpus).evaluate(layout).time


def _notes(table: Table) -> Iterator[str]:
    """Say how far predictions are off, and what they are made of."""
    yield "Closed form, in fp16, with attention that writes its scores; seqsel recomputes its core alone."
    yield f"Constants are those of the stack {STACK}, fitted to the iterations whose time is given."
    off = [row["predicted"] / row["measured"] - 1 for row in table if row["measured"] is not None]
    if off:
        yield f"Of {len(off)} rows with a time, to which the constants were fitted: {_size(off)}."


def _size(off: Iterable[float]) -> str:
    sizes = [abs(each) for each in off]
    return f"the error is {statistics.fmean(sizes):.1%} in the mean, {max(sizes):.1%} at most"
