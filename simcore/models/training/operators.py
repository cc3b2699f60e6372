"""A transformer's operators, forward and backward, and their times on a profiled device.

This is the seam between kernels and studies: `ProfiledTimes` gives `simcore.models.training.transformer.generate` the
compute of each layer as the sum of its kernels' predicted times, in place of work over a constant rate. Not modelled:
biases, the scale and the mask of the scores, position and type embeddings, transposed copies, and fused attention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from simcore.errors import InputError
from simcore.models.compute.device import DTYPES, lacks
from simcore.models.compute.predict import Prediction, predict, require_fits
from simcore.models.compute.profile import KernelProfile
from simcore.models.training.architecture import Transformer
from simcore.models.training.costs import Cost, Operator, mean_error, notes_of
from simcore.models.training.transformer import ENDS, Passes, end_widths

HEAD_WIDTH = 128
"""Columns of an attention head, where a model does not say how many heads it has."""

ADAM = 28
"""Bytes that Adam's update of one weight moves [B]: weight, gradient and two moments are read, all but the gradient
written, 4 B each; with 2-byte weights a master copy takes the weight's place and the 2-byte weight is written too."""

BLOCKS_ALONE = "blocks alone: the model has no vocabulary, so embedding, output layer and update are left out"
"""Note on a model without a vocabulary."""

PARTS = ("Q", "K", "V", "QK", "softmax", "concat", "W1b1", "W2b2", "layerNorm")
"""The layers of a block."""


Operators = tuple[Operator, ...]


def operators(model: Transformer, part: str, width: int, tp: int) -> tuple[Operators, Operators, Operators]:
    """Return the kernels of one layer: forward, input gradient, weight gradient.

    A GEMM of n tokens from i to o columns is n x i by i x o going forward, n x o by o x i for the input gradient and
    i x n by n x o for the weight gradient. Columns are cut by TP in Q, K, V and W1b1, rows in ``concat`` and W2b2
    (Megatron-LM). Attention is one batched product per head and direction, with the scores written to memory. Embedding
    and output layer are cut over the vocabulary; the gradient of the table is dense, so it is cleared before rows of it
    are added to. Adam updates all weights.

    Parameters
    ----------
    model : Transformer
        The shape.
    part : str
        One of `PARTS`, or of `simcore.models.training.transformer.ENDS`.
    width : int
        Columns of its weights before the cut; ignored where it has none.
    tp : int
        Degree of tensor parallelism.

    Examples
    --------
    >>> toy = Transformer("toy", hidden=8, blocks=1, sequence=4, tokens=16, heads=2)
    >>> operators(toy, "Q", 8, 2)[0][0].shape
    (('m', 16), ('n', 4), ('k', 8), ('batch', 1))
    """
    n, h, s, e = model.tokens, model.hidden, model.sequence, model.element
    if part in ENDS:
        return _end(model, part, width, tp)
    heads = model.heads or max(1, h // HEAD_WIDTH)
    local, d = math.ceil(heads / tp) * math.ceil(n / s), max(1, h // heads)
    if part == "QK":
        return (_gemm(s, s, d, local),), (_gemm(s, d, s, local), _gemm(s, d, s, local)), ()
    if part == "softmax":
        scores = e * local * s * s
        dropped, back = _dropout(model, local * s * s)
        return (
            (_memory("softmax", 2 * scores), *dropped, _gemm(s, d, s, local)),
            (_gemm(s, s, d, local), _gemm(s, d, s, local), *back, _memory("softmax_backward", 3 * scores)),
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
        dropped, back = _dropout(model, n * h)
        forward += (*dropped, _memory("add", 3 * e * n * h))
        backward += (*back, _memory("add", 3 * e * n * h))
    return forward, backward, gradient


def _end(model: Transformer, part: str, width: int, tp: int) -> tuple[Operators, Operators, Operators]:
    """Return the kernels of a layer outside the blocks."""
    n, h, e = model.tokens, model.hidden, model.element
    if part == "update":
        return (), (), (Operator("adam", (("bytes", ADAM * math.ceil(model.weights / tp)),), "fp32"),)
    if part == "embedding":
        table = e * h * math.ceil((model.vocabulary or 0) / tp)
        rows = (("rows", n), ("width", e * h))
        dropped, back = _dropout(model, n * h)
        forward = (Operator("gather", rows), _memory("add", 3 * e * n * h), *dropped)
        return forward, back, (_memory("copy", table), Operator("scatter", rows))
    columns = math.ceil(width / tp)
    logits = e * n * columns
    return (
        (_gemm(n, columns, h), _memory("softmax", 2 * logits)),
        (_memory("softmax_backward", 3 * logits), _gemm(n, h, columns)),
        (_gemm(h, columns, n),),
    )


def _dropout(model: Transformer, elements: int) -> tuple[Operators, Operators]:
    """Return dropout forward and backward, whose mask takes a byte per element; nothing where nothing is dropped."""
    if not model.dropout:
        return (), ()
    moved = (2 * model.element + 1) * elements
    return (_memory("dropout", moved),), (_memory("dropout_backward", moved),)


def _gemm(m: int, n: int, k: int, batch: int = 1) -> Operator:
    return Operator("gemm", (("m", m), ("n", n), ("k", k), ("batch", batch)))


def _memory(kernel: str, moved: int) -> Operator:
    return Operator(kernel, (("bytes", moved),))


@dataclass(frozen=True, eq=False)
class ProfiledTimes:
    """Compute of a transformer's layers on a profiled device: a `simcore.models.training.transformer.LayerTimes`.

    Attributes
    ----------
    profile : KernelProfile
        The device's.
    dtype : str or None
        Number format; by default one that holds the model's bytes per element. One of another width is for the model
        that `in_format` returns.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.
    formats : dict
        Number formats that products ran in so far, as keys.
    seen : dict
        Every cost that was asked for so far: what `notes` sums up.
    recast : dict
        What `in_format` said of the models that it changed, as keys.
    """

    profile: KernelProfile
    dtype: str | None = None
    extrapolate: bool = True
    formats: dict[str, None] = field(default_factory=dict)
    seen: dict[tuple[str, str, Operator], Cost] = field(default_factory=dict)
    recast: dict[str, None] = field(default_factory=dict)

    def in_format(self, model: Transformer) -> Transformer:
        """Return the model with elements as wide as the number format, where one was asked for.

        Weights, activations and gradients take its bytes, in memory and on the network alike, and TF32 those of fp32.
        Adam's state stays fp32, whatever the format.
        """
        element = model.element if self.dtype is None else DTYPES.get(self.dtype, model.element)
        if element == model.element:
            return model
        note = f"{element} B per element ({self.dtype}) in place of the model's {model.element} B; Adam's state in fp32"
        self.recast[note] = None
        return replace(model, element=element)

    def __call__(self, model: Transformer, part: str, width: int, tp: int) -> Passes:
        """Return the compute of a layer [s], see `simcore.models.training.transformer.LayerTimes`."""
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
        self.formats[dtype] = None
        passes = operators(model, part, width, tp)
        return [
            Cost(part, direction, one, _predicted(self.profile, one, dtype, self.extrapolate))
            for direction, ops in zip(_DIRECTIONS, passes, strict=True)
            for one in ops
        ]

    def notes(self) -> list[str]:
        """Say what a reader must know of the times that were given: the profile, its error, every caution."""
        costs = list(self.seen.values())
        error = mean_error(costs)
        known = "no measured error" if error is None else f"expected error of a kernel {error:.1%}"
        profile = self.profile
        first = f"compute from profile {profile.name} ({profile.origin}), {known}"
        alone = () if any(cost.part in ENDS for cost in costs) else (BLOCKS_ALONE,)
        return [first, *self.recast, *notes_of(costs), *alone]

    def ends(self, model: Transformer, tp: int = 1) -> list[Cost]:
        """Return every operator outside the blocks with its time; none without a vocabulary."""
        if model.vocabulary is None:
            return []
        return [cost for part, width in end_widths(model) for cost in self.costs(model, part, width, tp)]

    def block(self, model: Transformer, tp: int = 1) -> list[Cost]:
        """Return every operator of one block with its time."""
        widths = {
            "K": model.kv_width, "V": model.kv_width, "W1b1": model.inner * (2 if model.gated else 1),
            "W2b2": model.inner,
        }  # fmt: skip
        return [cost for part in PARTS for cost in self.costs(model, part, widths.get(part, model.hidden), tp)]


_DIRECTIONS = ("forward", "input gradient", "weight gradient")


def _predicted(profile: KernelProfile, operator: Operator, dtype: str, extrapolate: bool) -> Prediction:
    """Predict an operator in a row of many: each takes at least as long as it takes to launch one."""
    shape = dict(operator.shape)
    found = predict(profile, operator.kernel, operator.dtype or dtype, shape, extrapolate=extrapolate)
    launch = profile.fit("launch", "fp32")
    return found if launch is None else replace(found, seconds=max(found.seconds, launch.parameters["node"]))


def number_format(profile: KernelProfile, model: Transformer, dtype: str | None = None) -> str:
    """Return the number format that a model's products run in on a device.

    Raises
    ------
    InputError
        If the profile has no GEMM in it, or its elements are not as wide as the model's.
    """
    require_fits(profile)
    formats = {2: ("fp16", "bf16"), 4: ("fp32",), 8: ("fp64",)}.get(model.element, ())
    wanted = (dtype,) if dtype is not None else formats
    if dtype is not None and DTYPES.get(dtype, model.element) != model.element:
        remedy = "Give its elements that width (ProfiledTimes.in_format), or leave --dtype out."
        raise InputError("--dtype", f"'{dtype}' for {model.element} B per element", f"{DTYPES[dtype]} B", remedy)
    for one in wanted:
        if one in profile.dtypes:
            return one
    if not profile.dtypes:
        remedy = "Calibrate the suites gemm and memory too: the same file keeps what it has."
        raise InputError(f"profile {profile.name}", "no fit of gemm", "one for the model's products", remedy)
    raise lacks(f"profile {profile.name}", " or ".join(wanted) or f"{model.element} B", profile.dtypes)
