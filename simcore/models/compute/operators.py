"""A transformer's operators, forward and backward, and their times on a profiled device.

This is the seam between kernels and studies: `ProfiledTimes` gives `simcore.models.compute.transformer.generate` the
compute of each layer as the sum of its kernels' predicted times, in place of work over a constant rate. Not modelled:
embeddings, the output layer, dropout and the optimiser's update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from simcore.models.compute.device import lacks
from simcore.models.compute.kernels import Prediction, predict
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.transformer import Passes, Transformer

HEAD_WIDTH = 128
"""Columns of an attention head, where a model does not say how many heads it has."""

PARTS = ("Q", "K", "V", "QK", "softmax", "concat", "W1b1", "W2b2", "layerNorm")
"""The layers of a block."""


@dataclass(frozen=True)
class Operator:
    """One kernel call of a transformer on one NPU.

    Attributes
    ----------
    kernel : str
        A kernel of `simcore.models.compute.kernels.FORMULA_OF`.
    shape : tuple of (str, float)
        Its sizes, see `simcore.models.compute.profile.Sample`.
    """

    kernel: str
    shape: tuple[tuple[str, float], ...]


Operators = tuple[Operator, ...]


def operators(model: Transformer, part: str, width: int, tp: int) -> tuple[Operators, Operators, Operators]:
    """Return the kernels of one layer: forward, input gradient, weight gradient.

    A GEMM of n tokens from i to o columns is n x i by i x o going forward, n x o by o x i for the input gradient and
    i x n by n x o for the weight gradient. Columns are cut by TP in Q, K, V and W1b1, rows in ``concat`` and W2b2
    (Megatron-LM). Attention is one batched product per head and direction, with the scores written to memory.

    Parameters
    ----------
    model : Transformer
        The shape.
    part : str
        One of `PARTS`.
    width : int
        Columns of its weights before the cut; ignored where it has none.
    tp : int
        Degree of tensor parallelism.

    Examples
    --------
    >>> toy = Transformer("toy", hidden=8, blocks=1, sequence=4, tokens=16, heads=2)
    >>> operators(toy, "Q", 8, 2)[0]
    (Operator(kernel='gemm', shape=(('m', 16), ('n', 4), ('k', 8), ('batch', 1))),)
    """
    n, h, s, e = model.tokens, model.hidden, model.sequence, model.element
    heads = model.heads or max(1, h // HEAD_WIDTH)
    local, d = math.ceil(heads / tp) * math.ceil(n / s), max(1, h // heads)
    if part == "QK":
        return (_gemm(s, s, d, local),), (_gemm(s, d, s, local), _gemm(s, d, s, local)), ()
    if part == "softmax":
        scores = e * local * s * s
        return (
            (_memory("softmax", 2 * scores), _gemm(s, d, s, local)),
            (_gemm(s, s, d, local), _gemm(s, d, s, local), _memory("softmax_backward", 3 * scores)),
            (),
        )
    if part == "layerNorm":
        return 2 * (_memory("layer_norm", 2 * e * n * h),), 2 * (_memory("layer_norm_backward", 3 * e * n * h),), ()
    columns_cut = part not in {"concat", "W2b2"}
    i, o = (h, width // tp) if columns_cut else (width // tp, h)
    forward: Operators = (_gemm(n, o, i),)
    backward: Operators = (_gemm(n, i, o),)
    gradient: Operators = (_gemm(i, o, n),)
    if part == "W1b1":
        inner = e * n * model.inner // tp
        gate: Operators = (_memory("add", 3 * inner),) if model.gated else ()
        forward += (_memory("gelu", 2 * inner), *gate)
        backward += (_memory("gelu_backward", 3 * inner), *gate, *gate)
    if not columns_cut:  # the residual is added after both row-cut products, and its gradient going back
        forward += (_memory("add", 3 * e * n * h),)
        backward += (_memory("add", 3 * e * n * h),)
    return forward, backward, gradient


def _gemm(m: int, n: int, k: int, batch: int = 1) -> Operator:
    return Operator("gemm", (("m", m), ("n", n), ("k", k), ("batch", batch)))


def _memory(kernel: str, moved: int) -> Operator:
    return Operator(kernel, (("bytes", moved),))


@dataclass(frozen=True)
class Cost:
    """One operator of a layer with its predicted time.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    direction : str
        ``forward``, ``input gradient`` or ``weight gradient``.
    operator : Operator
        The kernel.
    prediction : Prediction
        Its time.
    """

    part: str
    direction: str
    operator: Operator
    prediction: Prediction


@dataclass(frozen=True, eq=False)
class ProfiledTimes:
    """Compute of a transformer's layers on a profiled device: a `simcore.models.compute.transformer.LayerTimes`.

    Attributes
    ----------
    profile : KernelProfile
        The device's.
    dtype : str or None
        Number format; by default one that holds the model's bytes per element.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.
    seen : dict
        Every cost that was asked for so far: what `notes` sums up.
    """

    profile: KernelProfile
    dtype: str | None = None
    extrapolate: bool = True
    seen: dict[tuple[str, str, Operator], Cost] = field(default_factory=dict)

    def __call__(self, model: Transformer, part: str, width: int, tp: int) -> Passes:
        """Return the compute of a layer [s], see `simcore.models.compute.transformer.LayerTimes`."""
        costs = self.costs(model, part, width, tp)
        self.seen.update({(cost.part, cost.direction, cost.operator): cost for cost in costs})
        forward, backward, gradient = (
            math.fsum(cost.prediction.seconds for cost in costs if cost.direction == direction)
            for direction in _DIRECTIONS
        )
        return forward, backward, gradient

    def costs(self, model: Transformer, part: str, width: int, tp: int) -> list[Cost]:
        """Return every operator of a layer with its time."""
        dtype = number_format(self.profile, model, self.dtype)
        passes = operators(model, part, width, tp)
        return [
            Cost(part, direction, one, _predicted(self.profile, one, dtype, self.extrapolate))
            for direction, ops in zip(_DIRECTIONS, passes, strict=True)
            for one in ops
        ]

    def notes(self) -> list[str]:
        """Say what a reader must know of the times that were given: the profile, its error, every caution."""
        costs = list(self.seen.values())
        error = expected_error(costs)
        known = "no measured error" if error is None else f"expected kernel error {error:.1%}"
        profile = self.profile
        return [f"compute from profile {profile.name} ({profile.origin}), {known}", *notes_of(costs)]

    def block(self, model: Transformer, tp: int = 1) -> list[Cost]:
        """Return every operator of one block with its time."""
        widths = {
            "K": model.kv_width, "V": model.kv_width, "W1b1": model.inner * (2 if model.gated else 1),
            "W2b2": model.inner,
        }  # fmt: skip
        return [cost for part in PARTS for cost in self.costs(model, part, widths.get(part, model.hidden), tp)]


_DIRECTIONS = ("forward", "input gradient", "weight gradient")


def _predicted(profile: KernelProfile, operator: Operator, dtype: str, extrapolate: bool) -> Prediction:
    return predict(profile, operator.kernel, dtype, dict(operator.shape), extrapolate=extrapolate)


def number_format(profile: KernelProfile, model: Transformer, dtype: str | None = None) -> str:
    """Return the number format that a model's products run in on a device.

    Raises
    ------
    InputError
        If the profile has no GEMM in it.
    """
    formats = {2: ("fp16", "bf16"), 4: ("fp32",), 8: ("fp64",)}.get(model.element, ())
    wanted = (dtype,) if dtype is not None else formats
    for one in wanted:
        if one in profile.dtypes:
            return one
    raise lacks(f"profile {profile.name}", " or ".join(wanted) or f"{model.element} B", profile.dtypes)


def expected_error(costs: Sequence[Cost]) -> float | None:
    """Return the mean of the predictions' expected errors, weighted by time; None where one has none."""
    total = math.fsum(cost.prediction.seconds for cost in costs)
    errors = [cost.prediction.error for cost in costs]
    if not total or any(error is None for error in errors):
        return None
    return math.fsum(cost.prediction.seconds * (cost.prediction.error or 0.0) for cost in costs) / total


def notes_of(costs: Sequence[Cost]) -> list[str]:
    """Return the notes of all predictions, each once, with the kernels that it is true of."""
    kernels: dict[str, dict[str, None]] = {}
    for cost in costs:
        for note in cost.prediction.notes:
            kernel, _, text = note.partition(": ")
            kernels.setdefault(text, {})[kernel] = None
    return [f"{', '.join(names)}: {text}" for text, names in kernels.items()]
