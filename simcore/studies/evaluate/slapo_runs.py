"""Runs of Slapo's evaluation as schedules: what each was given, and what is predicted of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, NumberFormat
from simcore.models.training.parallel.search import capacity
from simcore.models.training.schedule import Schedule, Step
from simcore.models.training.schedule.primitives import primitive
from simcore.readers.models import read_model
from simcore.readers.profiles import read_gpu
from simcore.readers.slapo import GivenRun, GridCell
from simcore.studies.inputs import resolve_network

DEVICE, NETWORK = "v100-32gb", "p3dn"
"""GPU and network of the zoo that the artifact ran on."""

FP16 = replace(NUMBER_FORMATS["fp16"], gradient=2)
"""DeepSpeed's and Slapo's mixed precision: gradients stay in fp16, 16 B per parameter (ZeRO, SC 2020)."""

USABLE = 34.1e9
"""What programs can use of a V100's 32 GB [B]."""

_MEGATRON_BERT = 8192
"""Feed-forward width of Megatron-LM's BERT, where Slapo's keeps 4096: the bars are not of one model."""

STEPS = {
    "megatron": ("fuse_bias_activation", "fuse_bias_dropout_norm"),
    "deepspeed": (),
    "slapo-tp": ("sdpa",),
    "slapo-zero3": ("sdpa",),
}
"""Steps by system, without checkpoints. BERT with tensor parallelism is fused too; T5 keeps its attention."""


_PLAIN = {"t5-3b", "wideresnet-2.4b"}
"""Models whose kernels no run replaces: T5 keeps its attention, whose scores have biases, and Wide-ResNet has none."""


@dataclass
class Runs:
    """What predicts runs, with the hashes of what was read."""

    sha256: dict[str, str] = field(default_factory=dict)
    _machines: dict[int, Machine] = field(default_factory=dict)
    _models: dict[str, Architecture] = field(default_factory=dict)

    def machine(self, gpus: int) -> Machine:
        """Return so many GPUs of the artifact's machines; nothing is fitted to them."""
        if gpus not in self._machines:
            device = read_gpu(DEVICE)
            spec, network = resolve_network(NETWORK, gpus=gpus)
            assert spec.bandwidths is not None
            self._machines[gpus] = Machine(device.value, spec.topology, spec.bandwidths, spec.collectives)
            self.sha256[f"devices/{DEVICE}"] = device.sha256
            self.sha256 |= {f"networks/{NETWORK}": each for each in network.values()}
        return self._machines[gpus]

    def room(self, name: str) -> float:
        """Return what programs may use of the memory of a GPU of the zoo [B]."""
        device = read_gpu(name)
        self.sha256[f"devices/{name}"] = device.sha256
        return capacity(device.value.device)

    def model(self, name: str) -> Architecture:
        """Return a model of the zoo."""
        if name not in self._models:
            read = read_model(name)
            self.sha256[f"models/{name}"] = read.sha256
            self._models[name] = read.value.architecture
        return self._models[name]

    def of_run(self, run: GivenRun) -> Evaluation:
        """Return what is predicted of a run of Figure 7."""
        model = self.model(run.model)
        if run.system == "megatron" and isinstance(model, Transformer) and run.model == "bert-xlarge":
            model = replace(model, feed_forward=_MEGATRON_BERT)
        tensor = run.system in {"megatron", "slapo-tp"}
        form = NUMBER_FORMATS["fp16"] if run.system == "megatron" else FP16
        layout = placed(run.gpus, run.batch, tensor=tensor, form=form)
        sequence = run.sequence
        if isinstance(model, Transformer) and model.encoder is not None and run.decoder_sequence:
            model = replace(model, encoder=replace(model.encoder, sequence=run.sequence))
            sequence = run.decoder_sequence
        return self._evaluate(model, sequence, run.gpus, layout, schedule_of(run))

    def of_cell(self, cell: GridCell, rounding: str) -> Evaluation:
        """Return what is predicted of a cell of Figure 10, with one rule for the share of recomputed blocks."""
        model = self.model(cell.model)
        layout = placed(8, cell.batch, tensor=cell.parallel != "zero3", form=FP16)
        return self._evaluate(model, 1024, 8, layout, steps_of(("sdpa",), cell.ratio, rounding))

    def of_steps(self, name: str, batch: int, gpus: int, steps: Schedule) -> Evaluation:
        """Return what is predicted of a step of Figure 9: one GPU, or all of them with tensor parallelism."""
        model = self.model(name)
        return self._evaluate(model, 512, gpus, placed(gpus, batch, tensor=True, form=FP16), steps)

    def of_nodes(self, name: str, layout: Layout, steps: Schedule) -> Evaluation:
        """Return what is predicted of a run on several nodes, with sequences of 1024 tokens."""
        model = self.model(name)
        return self._evaluate(model, 1024, layout.gpus, layout, steps)

    def _evaluate(self, model: Architecture, sequence: int, gpus: int, layout: Layout, steps: Schedule) -> Evaluation:
        return Evaluator(model, sequence, self.machine(gpus), steps).evaluate(layout)


def placed(gpus: int, batch: int, *, tensor: bool, form: NumberFormat) -> Layout:
    """Return tensor parallelism over all GPUs, or ZeRO-3; the batch is one micro-batch of each replica."""
    layout = Layout(fused_attention=False, number_format=form)
    if tensor:
        return replace(layout, tp=gpus, micro_batch=batch)
    return replace(layout, dp=gpus, zero=3, micro_batch=batch // gpus)


def schedule_of(run: GivenRun) -> Schedule:
    """Return the schedule of a run of Figure 7."""
    steps = () if run.model in _PLAIN else STEPS[run.system]
    if run.system == "slapo-tp" and run.model == "bert-xlarge":
        steps = (*steps, "fuse_bias_gelu", "fuse_bias_dropout_norm")
    return steps_of(steps, run.ratio, "uniform" if run.system.startswith("slapo") else "head")


def steps_of(names: tuple[str, ...], ratio: float, rounding: str) -> Schedule:
    """Return a schedule of some primitives, and of checkpoints for a share of the blocks."""
    return Schedule(tuple(_steps(names, ratio, rounding)))


def _steps(names: tuple[str, ...], ratio: float, rounding: str) -> Iterator[Step]:
    for name in names:
        yield Step(primitive(name, "steps"))
    if ratio:
        yield Step(primitive("checkpoint", "steps"), ratio, "", {"rounding": rounding})
