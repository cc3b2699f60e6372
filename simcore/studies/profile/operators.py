"""A profile held against operators of models that anyone timed, forward and backward."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.kernels import outside, seconds_of
from simcore.models.compute.operator_time import OperatorTime
from simcore.models.compute.predict import fit_for, sizes_known
from simcore.models.compute.profile import Errors, KernelProfile
from simcore.readers.aceso_sizes import FIRST
from simcore.readers.operator_table import OperatorTimes
from simcore.results import Table
from simcore.studies.profile.table import Key, TableValidation, errors_table

LAYER = re.compile(r"(enc|dec|block-\d+-\d+)-(?!final)")
"""Operators of a layer: a block of an encoder or a decoder, or a bottleneck block."""


def against_operators(profile: KernelProfile, file: str, times: OperatorTimes, table_name: str) -> TableValidation:
    """Hold a profile against timed operators: each is predicted as the sum of its kernels.

    Host and collectives are those of the table's own harness, which the profile does not hold.

    Parameters
    ----------
    profile : KernelProfile
        What predicts.
    file : str
        How it was given.
    times : OperatorTimes
        Of its device.
    table_name : str
        Where the rows are from.

    Raises
    ------
    InputError
        If the profile lacks a kernel or a number format of the table.
    """
    predictor, misses, refused = _Predictor(profile), _Misses(), _Refused()
    compared: list[tuple[object, ...]] = []
    predicted: list[tuple[OperatorTime, float]] = []
    for one in times.operators:
        kernels = predictor.kernels(one)
        refused.count(one, kernels is None)
        if kernels is None:
            misses.none(one)
            continue
        seconds = times.harness.seconds(one, kernels)
        misses.add(one, seconds / one.seconds - 1)
        predicted.append((one, seconds))
        compared.append((f"{one.kind} {one.run}", one.dtype, one.run.value, None, one.seconds, seconds, one.op))
    columns = ["kernel", "dtype", "formula", "held_out", "measured", "predicted", "operator"]
    return TableValidation(
        profile.name, file, table_name, misses.errors(misses.of_op), refused.of_op,
        Table(columns, compared, {"measured": "s", "predicted": "s"}),
        profile.source if profile.origin == "published measurement" else None,
        ("kernel", "dtype", "pass"),
        errors_table(("kernel", "dtype", "pass"), misses.errors(misses.of_kind), refused.of_kind),
        tuple(_sums(predicted)),
    )  # fmt: skip


class _Predictor:
    """Predicts kernels of operators, each shape once."""

    def __init__(self, profile: KernelProfile) -> None:
        self.profile = profile
        self.known: dict[KernelCall, float | None] = {}

    def kernels(self, one: OperatorTime) -> list[float] | None:
        """Return the seconds of each kernel; None if the profile refuses one of them."""
        seconds = [self.of(call) for call in one.calls]
        return None if None in seconds else [each for each in seconds if each is not None]

    def of(self, call: KernelCall) -> float | None:
        if call not in self.known:
            fit, _ = fit_for(self.profile, call.kernel, call.dtype or "", dict(call.shape))
            shape = sizes_known(fit, call.kernel, dict(call.shape))
            self.known[call] = None if outside(fit, shape) else seconds_of(fit, shape, self.profile.device)
        return self.known[call]


@dataclass
class _Refused:
    """Rows that the profile refuses."""

    of_op: dict[Key, int] = field(default_factory=dict)
    of_kind: dict[Key, int] = field(default_factory=dict)

    def count(self, one: OperatorTime, refused: bool) -> None:
        for counts, key in ((self.of_op, _key(one.op, one)), (self.of_kind, _key(one.kind, one))):
            counts[key] = counts.get(key, 0) + refused


@dataclass
class _Misses:
    """Predicted / measured - 1 of the others."""

    of_op: dict[Key, list[float]] = field(default_factory=dict)
    of_kind: dict[Key, list[float]] = field(default_factory=dict)

    def none(self, one: OperatorTime) -> None:
        self.of_op.setdefault(_key(one.op, one), [])
        self.of_kind.setdefault(_key(one.kind, one), [])

    def add(self, one: OperatorTime, miss: float) -> None:
        self.none(one)
        self.of_op[_key(one.op, one)].append(miss)
        self.of_kind[_key(one.kind, one)].append(miss)

    @staticmethod
    def errors(misses: Mapping[Key, Sequence[float]]) -> dict[Key, Errors | None]:
        return {key: Errors.of(each) for key, each in misses.items()}


def _key(name: str, one: OperatorTime) -> Key:
    return name, one.dtype, one.run.value


def _sums(predicted: Sequence[tuple[OperatorTime, float]]) -> Iterable[str]:
    """Say how far sums over a layer are off, and all operators, by number format."""
    for dtype in dict.fromkeys(one.dtype for one, _ in predicted):
        rows = [pair for pair in predicted if pair[0].dtype == dtype and pair[0].op != FIRST]
        all_of = Errors.of([seconds / one.seconds - 1 for one, seconds in rows])
        layers = Errors.of(layer_misses(rows))
        if all_of is not None:
            yield f"{dtype}: MAPE {all_of.mape:.1%} over {all_of.samples} rows, {FIRST} left out"
        if layers is not None:
            yield f"{dtype}: MAPE {layers.mape:.1%} of sums over {layers.samples} layers (the rows that are there)"


def layer_misses(predicted: Iterable[tuple[OperatorTime, float]]) -> list[float]:
    """Return predicted / measured - 1 of the sum over each layer and combination, both passes together.

    Examples
    --------
    >>> from simcore.models.compute.operator_time import PassName
    >>> norm = OperatorTime("enc-1st-layernorm", PassName.FORWARD, "fp16", "norm", (), (), 1, 2.0, "toy", "toy 1")
    >>> layer_misses([(norm, 3.0), (norm, 2.0)])
    [0.25]
    """
    sums: dict[tuple[str, str], list[float]] = {}
    for one, seconds in predicted:
        layer = LAYER.match(one.op)
        if layer is not None:
            both = sums.setdefault((one.combination, layer[1]), [0.0, 0.0])
            both[0] += seconds
            both[1] += one.seconds
    return [ours / theirs - 1 for ours, theirs in sums.values()]
