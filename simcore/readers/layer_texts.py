"""What a workload text means: which groups its collectives run in, what its sizes are, and what is said of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import DEGREES, Axis, Groups
from simcore.models.network.topology import Topology
from simcore.models.training.workload import Layer, Pass, Phase, StagePipeline, Workload, group_of
from simcore.readers.astra import CUSTOMIZED, DLRM, TRANSFORMER, Header, LayerText, parse_layers
from simcore.units import counted

Sizes = Literal["full", "shard"]
"""What the size of an all-gather is."""
_MICRO_TEST = "micro_test"
"""What AICB calls the layers of its texts of one collective."""


@dataclass(frozen=True)
class Cut:
    """What was asked of a workload's parallelism.

    Attributes
    ----------
    tp, dp : int or None
        Degrees, where they were given.
    groups : Groups or None
        Explicit groups, in place of degrees.
    npus : int or None
        NPUs of the network.
    dimensions : tuple of int
        Their numbers along each dimension of the network, innermost first; empty where nobody knows.
    stages : int
        Pipeline stages, of which the network is one.
    """

    tp: int | None = None
    dp: int | None = None
    groups: Groups | None = None
    npus: int | None = None
    dimensions: tuple[int, ...] = ()
    stages: int = 1

    @classmethod
    def on(
        cls,
        topology: Topology | None,
        tp: int | None,
        dp: int | None,
        groups: Groups | None,
        npus: int | None,
        stages: int = 1,
    ) -> Cut:
        """Return what was asked, on a network where there is one."""
        if groups is not None:
            tp, dp = groups.degree(Axis.TENSOR), groups.degree(Axis.DATA)
        if topology is None:
            return cls(tp, dp, groups, npus, (), stages)
        return cls(tp, dp, groups, topology.npus, tuple(each.size for each in topology.dimensions), stages)

    def degrees(self, name: str, own: tuple[int | None, int | None]) -> tuple[int, int]:
        """Complete TP and DP; an uneven split of the network is refused where groups are mapped.

        One of the two that was given alone says what the other is on that network, whatever the entry has of its `own`.

        Raises
        ------
        InputError
            If a degree is none, or nobody said it.
        """
        tp, dp, npus, given = self.tp, self.dp, self.npus, (self.tp, self.dp)
        for option, degree in ((field("tp"), tp), (field("dp"), dp)):
            if degree is not None and degree < 1:
                raise InputError(option, str(degree), "a whole number of at least 1")
            if degree is not None and None in given and npus is not None and npus % degree:
                raise InputError(option, str(degree), f"a divisor of the {npus:,} NPUs", "Choose another degree.")
        if tp is None and (dp is None or npus is None):
            tp = own[0]
        if dp is None and (given[0] is None or npus is None):
            dp = own[1]
        if npus is not None and tp is not None and dp is None:
            dp = max(npus // tp, 1)
        if npus is not None and dp is not None and tp is None:
            tp = max(npus // dp, 1)
        if tp is None or dp is None:
            missing = " and ".join(label for label, degree in (("TP", tp), ("DP", dp)) if degree is None)
            expected = "degrees of tensor and data parallelism"
            remedy = f"Give them with {field('tp')} and {field('dp')}."
            raise InputError(f"{DEGREES} for {name}", f"no {missing}", expected, remedy)
        return tp, dp


@dataclass(frozen=True)
class _Placed:
    """Degrees of a text, and where its groups lie if the degrees alone do not say it."""

    tp: int
    dp: int
    groups: Groups | None = None
    ep: int = 1
    pipeline: StagePipeline | None = None

    def degree(self, axis: Axis) -> int:
        """Return the NPUs of one group."""
        if self.groups is not None:
            return self.groups.degree(axis)
        return Groups((self.tp,), (self.dp,), (self.ep,)).degree(axis)


def read_layer_text(path: Path, text: str, cut: Cut, sizes: Sizes | None = None) -> Workload:
    """Read a workload text, and put its collectives into their groups.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str
        Its content.
    cut : Cut
        What was asked of its parallelism.
    sizes : {'full', 'shard'}, optional
        What the size of an all-gather is, in place of what the program that wrote the text has.

    Raises
    ------
    InputError
        If the text is broken, or what was asked contradicts its header.
    """
    read = parse_layers(path, text)
    placed = _placed(read, cut, str(path))
    full = sizes == "full" or (sizes is None and _full(read))
    layers = tuple(_grouped(read, number, placed, full) for number in range(len(read.layers)))
    initiates = bool(read.header.initiates)
    return Workload(
        path.stem,
        layers,
        placed.tp,
        placed.dp,
        source=str(path),
        checkpoints=tuple(sorted({0, *read.header.checkpoints})),
        initiates=tuple(sorted({*read.header.initiates})),
        ep=placed.ep,
        groups=placed.groups if cut.groups is None else None,
        recomputes=initiates or not read.header.policy,
        pipeline=placed.pipeline,
        cautions=tuple(_cautions(read, layers, placed, cut, full and sizes is None)),
        written=True,
    )


def _full(read: LayerText) -> bool:
    """Tell a text whose sizes are full buffers: AICB's."""
    return read.header.from_aicb or all(layer.name == _MICRO_TEST for layer in read.layers)


def _placed(read: LayerText, cut: Cut, name: str) -> _Placed:
    """Return the degrees and groups of a text on its network."""
    header = read.header
    if header.of_simai:
        return _of_simai(header, cut, name)
    if not header.policy or header.policy.startswith(TRANSFORMER):
        tp, dp = cut.degrees(name, (header.count("model_parallel_NPU_group"), None))
        return _Placed(tp, dp, cut.groups)
    if cut.groups is not None:
        if header.policy == CUSTOMIZED:
            expected = "groups by the layers' own parallelism"
            raise InputError(field("communicator"), f"groups beside the header {CUSTOMIZED}", expected, "Leave it out.")
        return _Placed(*cut.degrees(name, (None, None)), cut.groups)
    groups = _implied(read, cut)
    degrees = groups.degree(Axis.TENSOR), groups.degree(Axis.DATA)
    why = f"the header {header.policy} in {header.place} implies on this network"
    _check_given(cut, degrees, why, "remove the header from the text")
    return _Placed(*degrees, groups)


def _check_given(cut: Cut, degrees: tuple[int, int], why: str, otherwise: str) -> None:
    """Refuse degrees that were given and are not those of the text."""
    for option, given, degree in (("tp", cut.tp, degrees[0]), ("dp", cut.dp, degrees[1])):
        if given not in {None, degree}:
            remedy = f"Leave {field(option)} out, or {otherwise}."
            raise InputError(field(option), str(given), f"{degree}, which {why}", remedy)


def _implied(read: LayerText, cut: Cut) -> Groups:
    """Return the groups of a header that names none: all NPUs, or the first dimension against the others."""
    header, policies = read.header, set(read.policies) or {read.header.policy}
    sizes = cut.dimensions
    if not sizes and cut.npus is not None and not policies & {"HYBRID_DATA_MODEL", "HYBRID_MODEL_DATA"}:
        sizes = (cut.npus,)
    if not sizes:
        expected = "the network's dimensions, from which its groups follow"
        raise InputError(header.place, f"header {header.policy} without a network", expected, "Give the network.")
    ones = (1,) * len(sizes)
    first, others = (sizes[0], *ones[1:]), (1, *sizes[1:])
    if "HYBRID_DATA_MODEL" in policies:
        return Groups(first, others)
    if "HYBRID_MODEL_DATA" in policies:
        return Groups(others, first)
    return Groups(sizes, ones) if policies == {"MODEL"} else Groups(ones, sizes)


def _of_simai(header: Header, cut: Cut, name: str) -> _Placed:
    """Return the degrees of a text of AICB, whose header says all of them."""
    tp, ep = header.count("model_parallel_NPU_group") or 1, header.count("ep") or 1
    stages = header.count("pp") or 1
    _check_asked(header, cut, stages)
    npus = _npus_of_simai(header, cut, name)
    if npus % (tp * stages):
        found = f"TP {tp} x PP {stages} on {npus:,} NPUs"
        raise InputError(header.place, found, "a divisor of the NPUs: DP is the rest", "Choose another network.")
    dp = npus // (tp * stages)
    why = f"{header.place} says: its times and sizes are of that degree"
    _check_given(cut, (tp, dp), why, "write the text for it")
    if dp % ep:
        remedy = "Expert-parallel groups are parts of the data-parallel ones."
        raise InputError(f"{header.place}, field 'ep'", f"EP {ep} beside DP {dp}", "a divisor of DP", remedy)
    return _Placed(tp, dp, None, ep, _pipeline(header, stages))


def _check_asked(header: Header, cut: Cut, stages: int) -> None:
    """Refuse stages and groups beside a header that has its own."""
    if cut.stages > 1:
        expected = f"the {counted(stages, 'stage')} of the header, {header.place}"
        raise InputError(field("stages"), str(cut.stages), expected, f"Leave {field('stages')} out.")
    if cut.groups is not None:
        expected = "the groups of the text's header, which has TP, EP and PP"
        raise InputError(field("communicator"), f"groups beside {header.place}", expected, "Leave it out.")


def _npus_of_simai(header: Header, cut: Cut, name: str) -> int:
    """Return the NPUs of a text of AICB, which are those of the network."""
    written = header.count("all_gpus")
    npus = cut.npus or written
    if npus is None:
        remedy = "Give the network, or all_gpus in the header."
        raise InputError(f"{DEGREES} for {name}", "no number of NPUs", "one, from which DP follows", remedy)
    if written not in {None, npus}:
        found = f"all_gpus: {written:,} on a network of {npus:,} NPUs"
        remedy = f"Take a network of {written:,}, or write the text for this one."
        raise InputError(f"{header.place}, field 'all_gpus'", found, "the NPUs of the network", remedy)
    return npus


def _pipeline(header: Header, stages: int) -> StagePipeline | None:
    """Return the pipeline that the layers are one stage of; None for one stage."""
    if stages == 1:
        return None
    for setting, what in (("ga", "micro-batches"), ("pp_comm", "bytes that go from stage to stage")):
        if setting not in header.settings:
            found, remedy = f"PP {stages} without {setting}", f"Add {setting}: NUMBER to the header."
            raise InputError(f"{header.place}, field 'pp'", found, f"{setting}: the number of {what}", remedy)
    message = header.settings["pp_comm"]
    return StagePipeline(stages, header.count("ga") or 1, header.count("vpp") or 1, message)


def _grouped(read: LayerText, number: int, placed: _Placed, full: bool) -> Layer:
    """Return a layer whose collectives have their groups, and shards as the sizes of all-gathers."""
    layer = read.layers[number]
    phases = []
    for part, phase in layer.phases():
        if read.header.policy in DLRM and number == 0:
            phase = replace(phase, group=Axis.ALL)
        elif read.policies:
            phase = _customized(read, number, part, phase)
        if full and phase.collective is Collective.ALL_GATHER:
            phase = replace(phase, size=phase.size / placed.degree(group_of(phase, part)))
        phases.append(phase)
    return replace(layer, forward=phases[0], input_gradient=phases[1], weight_gradient=phases[2])


def _customized(read: LayerText, number: int, part: Pass, phase: Phase) -> Phase:
    """Return a phase of a layer with a parallelism of its own, without a collective where that runs none."""
    policy, sums = read.policies[number], part is Pass.WEIGHT_GRADIENT
    if policy in {"DATA", "MODEL"}:
        runs = sums == (policy == "DATA")
        return replace(phase, group=Axis.ALL) if runs else Phase(phase.compute)
    if policy == "HYBRID_MODEL_DATA" and "HYBRID_DATA_MODEL" in read.policies:
        # the file's groups are those of the other policy, which has the same two the other way round
        return replace(phase, group=Axis.TENSOR if sums else Axis.DATA)
    return phase


def _cautions(read: LayerText, layers: Sequence[Layer], placed: _Placed, cut: Cut, guessed: bool) -> list[str]:
    """Say how a text was understood where that is not plain from it."""
    header, cautions = read.header, []
    if read.announced not in {None, len(layers)}:
        cautions.append(f"The text announces {read.announced:,} layers and holds {len(layers):,}; these are read.")
    if cut.groups is not None and header.policy and not header.policy.startswith(TRANSFORMER):
        cautions.append(f"The groups of --communicator take the place of those that {header.policy} implies.")
    if guessed and not header.of_simai and _gathers(layers):
        cautions.append(
            "The text is taken to be AICB's, where the size of an all-gather is the full buffer. If it is the shard of "
            "an NPU, add --sizes shard."
        )
    if read.broadcasts:
        cautions.append(
            f"BROADCAST, in {counted(read.broadcasts, 'place')}, is timed as an all-reduce: a scatter and an "
            "all-gather send as much."
        )
    return [*cautions, *_silent(read, layers, placed), *_loops(read), *_stage(header, placed)]


def _gathers(layers: Sequence[Layer]) -> bool:
    return any(phase.collective is Collective.ALL_GATHER for layer in layers for _, phase in layer.phases())


def _silent(read: LayerText, layers: Sequence[Layer], placed: _Placed) -> list[str]:
    """Name the collectives of the text that send nothing, and why."""
    alone: Counter[tuple[Pass, str]] = Counter()
    for before, after in zip(read.layers, layers, strict=True):
        for (part, wanted), (_, phase) in zip(before.phases(), after.phases(), strict=True):
            if wanted.collective is None or wanted.size == 0:
                continue
            if phase.collective is None:
                alone[part, "is not run under the layer's own parallelism"] += 1
            elif placed.degree(group_of(phase, part)) == 1:
                alone[part, f"is in a group of one NPU ({group_of(phase, part).value}), which sends nothing"] += 1
    return [
        f"{counted(n, 'layer')}: the {part.value.replace(' ', '-')} collective {why}."
        for (part, why), n in alone.items()
    ]


def _loops(read: LayerText) -> list[str]:
    """Say where ASTRA-sim runs the layers of a header in another order."""
    policy, several = read.header.policy, len(read.layers) > 1
    if policy in DLRM and several:
        return [
            f"ASTRA-sim runs the embedding's all-to-all of {policy} beside the layers that do not need it; here the "
            "loop waits for it."
        ]
    if policy == "MICRO":
        what = "the weight-gradient collective of the first layer alone" if several else "that collective alone"
        return [f"ASTRA-sim runs {what} under MICRO; here all that is written runs, compute included."]
    return []


def _stage(header: Header, placed: _Placed) -> list[str]:
    """Say what is taken of a text of one pipeline stage, and of its micro-batches."""
    batches = header.count("ga") or 1
    cautions = []
    if batches > 1:
        cautions.append(f"The layers of all {batches:,} micro-batches (ga) are taken to be written out, as AICB does.")
    if placed.pipeline is not None:
        cautions.append(
            f"The text is one of {placed.pipeline.stages} pipeline stages, which is simulated. The bubble and the "
            "transfers between stages are added by formula; nothing overlaps with them."
        )
    return cautions
