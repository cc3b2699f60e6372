"""From a request to a model on a machine and the layouts that it leaves open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from simcore.errors import InputError, field
from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.layout import (
    NUMBER_FORMATS,
    Layout,
    check_layout,
    total_blocks,
)
from simcore.models.training.parallel.search import Found, Space, layouts_of, search_layouts
from simcore.models.training.parallel.sharding import UNSCHEDULED
from simcore.readers.models import ModelInput, read_model
from simcore.readers.read import Read
from simcore.readers.schedules import read_schedule
from simcore.studies.deployment.given import given_layout
from simcore.studies.deployment.machine import as_software, machine_of, number_format
from simcore.studies.deployment.parallel import LayoutRequest, ParallelRequest
from simcore.studies.deployment.words import assumed_batch

LONGEST = 4096
"""Tokens of a sequence where neither the request nor the model says how many, and at most by default."""


@dataclass(frozen=True)
class Deployed:
    """A model on a machine, and what of its layout is given.

    Attributes
    ----------
    name : str
        Of the model, as it was given.
    model : Transformer or LayeredModel
        The sizes.
    sequence, gpus, global_batch : int
        Tokens of a sequence, GPUs, and sequences of an iteration.
    evaluator : Evaluator
        Of the model on the machine.
    base : Layout
        What is given.
    space : Space
        What is left open.
    node : int
        GPUs of a node.
    sha256 : dict of str to str
        Hashes of what was read, by role.
    notes : tuple of str
        What a reader must know.
    taken : frozenset of str
        Of ``sequence`` and ``global_batch`` those that nobody gave, which the notes say.
    """

    name: str
    model: Architecture
    sequence: int
    gpus: int
    global_batch: int
    evaluator: Evaluator
    base: Layout
    space: Space
    node: int
    sha256: dict[str, str]
    notes: tuple[str, ...]
    taken: frozenset[str] = frozenset()

    def layouts(self) -> Iterator[Layout]:
        """Yield the layouts that the request leaves open."""
        every = layouts_of(self.model, self.gpus, self.global_batch, self.space, self.base, self.node)
        if self.base.order == "1F1B":
            return every
        return (layout for layout in every if layout.pp > 1)  # an order is one of a pipeline

    @property
    def settled(self) -> bool:
        """Whether the request leaves one layout."""
        space = self.space
        free = (space.tp, space.cp, space.pp, space.vp, space.ep, space.micro_batch, space.recompute, space.zero)
        return all(len(each) == 1 for each in free)


def deployed(request: ParallelRequest, *, open_all: bool = False, stand_in: bool = False) -> Deployed:
    """Read what a request names.

    Parameters
    ----------
    request : ParallelRequest
        The inputs.
    open_all : bool
        Whether context parallelism and model chunks per rank are left open too where they are not given.
    stand_in : bool
        Whether another network stands in where none is given and the device has no usual one: see `machine_of`.

    Raises
    ------
    InputError
        If something is missing or does not fit together.
    """
    for name, given in (("gpus", request.gpus), ("device", request.device)):
        if given is None:
            example = "64" if name == "gpus" else "h100"
            raise InputError(field(name), "nothing", "it, to know what the model is trained on",
                             f"Add {field(name)} {example}.")  # fmt: skip
    assert request.gpus is not None
    assert request.device is not None
    read = read_model(request.model, field("model"))
    machine = machine_of(request, request.precision, stand_in=stand_in)
    made = deployed_on(request, read, machine.machine, open_all=open_all)
    return replace(made, sha256={**made.sha256, **machine.sha256}, notes=(*made.notes, *machine.notes))


def deployed_on(
    request: LayoutRequest, read: Read[ModelInput], machine: Machine, *, open_all: bool = False
) -> Deployed:
    """Return a model on a machine, whose network has as many GPUs as are used.

    Parameters
    ----------
    request : LayoutRequest
        What of the layout is given.
    read : Read of ModelInput
        The model.
    machine : Machine
        Device and network.
    open_all : bool
        See `deployed`.

    Raises
    ------
    InputError
        As `deployed`.
    """
    gpus, device = machine.topology.npus, machine.profile.device
    model, sequence, notes = sized(read.value, request.sequence, request.encoder_sequence)
    if not device.memory:
        found, expected = f"{device.name}, without the size of its memory", "a device whose memory is known"
        raise InputError(field("device"), found, expected, "Add memory to its file, such as 80 GB.")
    global_batch = request.global_batch or gpus
    if request.global_batch is None:
        notes = (*notes, assumed_batch(gpus))
    steps = None if request.training_schedule is None else read_schedule(
        request.training_schedule, field("training_schedule"))  # fmt: skip
    base, space = given_layout(request, gpus, model, sequence, global_batch, open_all)
    form = number_format(request.precision, machine.profile, fsdp=request.fsdp)
    base = replace(as_software(base, request, machine.stack), number_format=form)
    if not isinstance(model, Transformer):
        base = replace(base, causal_half=False)  # what its layers multiply is known
    evaluator = Evaluator(model, sequence, machine, UNSCHEDULED if steps is None else steps.value)
    _check_precision(evaluator, base)
    hashes = {"model": read.sha256, **({} if steps is None else {"schedule": steps.sha256})}
    return Deployed(
        read.name, model, sequence, gpus, global_batch, evaluator, base, space,
        machine.topology.dimensions[0].size, hashes, notes,
        frozenset(name for name in ("sequence", "global_batch") if getattr(request, name) is None),
    )  # fmt: skip


def chosen(deployment: Deployed) -> tuple[Evaluation, Found | None]:
    """Return the layout that a request asks for, or the best of those that it leaves open with how it was found.

    Where none fits it is the one that needs least memory.

    Raises
    ------
    InputError
        If no layout can be run at all.
    """
    if deployment.settled:
        layout = next(deployment.layouts(), None)
        if layout is None:  # say what does not divide
            refuse(deployment)
            raise InputError(field("gpus"), str(deployment.gpus), "a number that the degrees make up")
        return deployment.evaluator.evaluate(layout), None
    layouts = list(itertools.islice(deployment.layouts(), MOST_LAYOUTS))
    found = search_layouts(deployment.evaluator, layouts)
    if found.smallest is None:
        raise refused(deployment, found)
    return (found.best[0] if found.best else found.smallest), found


def settled_inputs(deployment: Deployed, evaluation: Evaluation) -> dict[str, object]:
    """Return the inputs of a request that were left open, as they were settled; running them again settles the same."""
    layout, zeros = evaluation.layout, deployment.space.zero
    names = ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "global_batch")
    settled = {
        **{name: getattr(layout, name) for name in names}, "recompute": layout.recompute.value,
        "zero": zeros[0] if len(zeros) == 1 else layout.zero, "sequence": deployment.sequence,
        "precision": layout.number_format.name, "overlap_tensor": layout.overlap_tensor,
        "causal": "half" if layout.causal_half else "full",
    }  # fmt: skip
    return {name: value for name, value in settled.items() if name not in deployment.taken}


MOST_LAYOUTS = 50_000
"""Layouts that are tried at most."""


def _check_precision(evaluator: Evaluator, base: Layout) -> None:
    """Refuse a number format that the device lacks."""
    try:
        evaluator.clock(base)
    except InputError:
        device = evaluator.machine.profile.device
        usable = [name for name, form in NUMBER_FORMATS.items() if form.products in device.peaks]
        found, expected = f"'{base.number_format.name}'", f"one that {device.name} has: {', '.join(usable)}"
        raise InputError(field("precision"), found, expected, f"Add {field('precision')} {usable[-1]}.") from None


def sized(source: ModelInput, given: int | None, read: int | None = None) -> tuple[Architecture, int, tuple[str, ...]]:
    """Return the sizes of a model with its output layer, the tokens of a sequence, and what to know of them.

    A sample of a list of layers counts as one token.

    `given` and `read` are the tokens of a sequence, and of an encoder's, that were asked for.

    Raises
    ------
    InputError
        If a model that takes no tokens is given a sequence, or one without an encoder what that reads.
    """
    model = source.transformer
    if read is not None:
        model = _reading(source, read)
    if model is None:
        source.run(given)  # which refuses a sequence
        return source.architecture, 1, ()
    notes = list(source.cautions(given))
    sequence = given or source.sequence
    if sequence is None or (given is None and sequence > LONGEST):
        longest = "" if sequence is None else f"; the model takes {sequence:,}"
        sequence = LONGEST
        notes.append(f"sequences of {sequence:,} tokens are taken, as no number is given{longest}")
    return model, sequence, tuple(notes)


def _reading(source: ModelInput, read: int) -> Transformer:
    """Return a model whose encoder reads so many tokens."""
    model = source.transformer
    if model is None or model.encoder is None:
        found = f"{read} for {source.place}, which has no encoder"
        remedy = f"Leave {field('encoder_sequence')} out."
        raise InputError(field("encoder_sequence"), found, "it for a model with an encoder and a decoder", remedy)
    return replace(model, encoder=replace(model.encoder, sequence=read))


def refused(deployment: Deployed, found: Found) -> InputError:
    """Return why no layout can be run: degrees that do not fit, or else what most layouts are refused for.

    Raises
    ------
    InputError
        As `refuse`.
    """
    refuse(deployment)
    if found.why is not None:
        return found.why
    degrees = f"{deployment.gpus} GPUs and a global batch of {deployment.global_batch}, {found.tried} layouts"
    remedy = f"Leave degrees out, or choose another {field('global_batch')}."
    return InputError("layout", degrees, "some layout of these degrees that can be run", remedy)


def refuse(deployment: Deployed) -> None:
    """Raise what is wrong with the degrees that are given, where something is."""
    _refuse_chunks(deployment)
    space, base = deployment.space, deployment.base
    degrees = {name: getattr(space, name)[0] for name in ("tp", "cp", "pp", "vp", "ep", "micro_batch")
               if len(getattr(space, name)) == 1}  # fmt: skip
    product = degrees.get("tp", 1) * degrees.get("cp", 1) * degrees.get("pp", 1)
    layout = replace(base, **degrees, dp=max(1, deployment.gpus // product))
    if layout.vp > 1 and layout.order == "1F1B":
        layout = replace(layout, order="interleaved")
    check_layout(replace(layout, sequence_parallel=base.sequence_parallel and layout.tp > 1),
                 deployment.model, deployment.sequence)  # fmt: skip
    size, batch = layout.micro_batch, deployment.global_batch
    if batch % size:
        near = " or ".join(str(each) for each in (batch // size * size, (batch // size + 1) * size) if each)
        raise InputError(
            field("global_batch"), f"{batch} with micro-batches of {size}", f"a multiple of {size}",
            f"The nearest are {near}; or choose another {field('micro_batch')}.",
        )  # fmt: skip
    each = batch // layout.dp
    if layout.vp > 1 and (each // size) % layout.pp:
        found = f"{each // size} micro-batches of a replica"
        expected = f"a multiple of PP {layout.pp}, which interleaved chunks take turns in"
        raise InputError(field("global_batch"), found, expected)


def _refuse_chunks(deployment: Deployed) -> None:
    """Refuse chunks per rank that no number of ranks makes equal chunks of."""
    space, blocks = deployment.space, total_blocks(deployment.model)
    if len(space.vp) != 1 or len(space.pp) == 1 or space.vp[0] == 1 or deployment.base.stage_layers:
        return
    chunks = space.vp[0]
    ranks = [ranks for ranks in range(2, deployment.gpus + 1) if deployment.gpus % ranks == 0]
    fit = {v for rank in ranks for v in range(1, blocks // rank + 1) if blocks % (rank * v) == 0}
    if chunks not in fit:
        near = [*sorted(v for v in fit if v < chunks)[-1:], *sorted(v for v in fit if v > chunks)[:1]]
        expected = f"with some PP that divides {deployment.gpus} GPUs, a divisor of the {blocks} blocks"
        remedy = f"The nearest that have one are {' or '.join(map(str, near))}."
        raise InputError(field("vp"), str(chunks), expected, remedy if near else "")
