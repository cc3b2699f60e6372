"""Torch's sparse libraries: CSR and BSR with their conversions, attention of stored scores, and jagged tensors.

The operators of a dynamic sparse model call these functions too, see `simcore.real.sparse.libraries`. Cases are those
of a CPU. They are warm, as a model stores a matrix just before it multiplies by it. What scans or sorts elements is
cold: in a row of calls of the same small matrix the processor learns where its non-zeros are. Calls of jagged tensors
are cold too, as a model runs long kernels between them.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simcore.calibrate.kernels import pit
from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.calibrate.suites.pit import GRANULARITIES, LEAST_KEPT, SIDES, SPARSITIES, Problem, log_uniform
from simcore.models.compute.profile import State
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.stored import BLOCK, conversion, stored_elements

if TYPE_CHECKING:
    from torch import Tensor


def to_csr(matrix: Tensor) -> Tensor:
    """Return a matrix in CSR, which stores its non-zeros."""
    with _quiet():
        return matrix.to_sparse_csr()


def to_bsr(matrix: Tensor) -> Tensor:
    """Return a matrix in BSR, which stores its blocks of 32 x 32 that hold a non-zero; sides are multiples of 32."""
    with _quiet():
        return matrix.to_sparse_bsr((BLOCK, BLOCK))


def multiplied(stored: Tensor, dense: Tensor) -> Tensor:
    """Return the product of a matrix in CSR or BSR and a dense one."""
    with _quiet():
        return stored @ dense


def stored_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, scale: float) -> Tensor:
    """Return the attention of one head: products at visible pairs, their softmax, and a sparse product.

    Parameters
    ----------
    q : Tensor, shape (queries, width)
        Queries.
    k, v : Tensor, shape (keys, width)
        Keys and values.
    seen : Tensor in CSR, shape (queries, keys)
        A one wherever a query sees a key.
    scale : float
        What scores are multiplied with.

    Returns
    -------
    Tensor, shape (queries, width)
    """
    import torch

    with _quiet():
        scores = torch.sparse.sampled_addmm(seen, q, k.T, beta=0.0, alpha=scale)
        made: Tensor = torch.sparse.softmax(scores.to_sparse_coo(), 1).to_sparse_csr() @ v
        return made


def jagged(rows: Tensor, offsets: Tensor) -> Tensor:
    """Return sequences of different lengths as one jagged tensor.

    Parameters
    ----------
    rows : Tensor, shape (tokens, width)
        Tokens, sequence by sequence.
    offsets : Tensor of int, shape (sequences + 1,)
        Where each sequence begins, and where the last one ends.
    """
    import torch

    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)  # it warns torch's own code of torch
    made: Tensor = torch.nested.nested_tensor_from_jagged(rows, offsets)
    return made


def _quiet() -> warnings.catch_warnings[None]:
    return warnings.catch_warnings(action="ignore", category=UserWarning)  # that CSR and BSR are in beta


UNSEEN_GRANULARITIES = ((16, 1), (1, 32), (64, 64), (1, 1))
"""What held-out problems have, in turn; those of fitted ones are PIT's."""

MULTIPLIED = 3e7
"""Stored elements times columns that are drawn at most: they take milliseconds, so that many fit into a calibration."""

ELEMENTS = 1e6
"""Elements that each matrix of a drawn problem has at most."""

ENDS = ((4096, 64, 128, 0.995), (64, 4096, 64, 0.3), (64, 64, 4096, 0.7), (768, 64, 512, 0.3), (1024, 128, 1024, 0.9))
"""Shapes m, n, k and sparsities at the ends of the range, fitted as well, of zeros one by one."""

DRAWN = (20, 8)
"""Problems that are drawn for each kernel: fitted, and held out."""

SEED = 31
"""Of the draw: the same problems in every calibration."""

HEADS = (
    (64, 64, 32, 40), (128, 128, 64, 12), (256, 264, 64, 80), (400, 400, 128, 20), (512, 512, 64, 150),
    (700, 720, 32, 70), (900, 900, 64, 16), (1024, 1024, 64, 100), (2048, 2100, 64, 64), (4096, 4096, 64, 24),
)  # fmt: skip
"""Queries, keys and width of heads of attention, and how many keys a query sees."""

UNSEEN_HEADS = ((192, 200, 64, 100), (640, 660, 64, 90), (1100, 1100, 32, 75), (1700, 1700, 64, 50))
"""The same, held out."""

CHECKED = 64
"""Rows of an output that are compared with exact ones: all rows of it are computed alike."""

JAGGED = ((4, False), (8, False), (16, False), (32, False), (12, True), (24, True))
"""Calls with jagged tensors in a row, and whether they are held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of a CPU, see `simcore.calibrate.suites.gemm.cases`; none of a GPU. `full` changes nothing."""
    if kind != "cpu":
        return
    for held_out in (False, True):
        for problem in drawn(held_out=held_out):
            yield _product("csr", problem, held_out)
            yield _product("csr-turned", problem, held_out)
            yield _conversion("csr", problem, held_out)
            blocks = replace(problem, m=_whole(problem.m), k=_whole(problem.k))
            yield _product("bsr", blocks, held_out)
            yield _conversion("bsr", blocks, held_out)
        for sizes in UNSEEN_HEADS if held_out else HEADS:
            yield _head(*sizes, held_out)
    for calls, unseen in JAGGED:
        shape = {"nodes": calls}
        yield Case("jagged", "fp32", shape, _few_rows, _Jagged(calls), None, unseen)
        yield Case("jagged_backward", "fp32", shape, _trained(calls), _gradients, None, unseen)


def drawn(*, held_out: bool) -> list[Problem]:
    """Return random problems over the whole range, and those at its ends where they are fitted.

    Examples
    --------
    >>> len(drawn(held_out=False)), len(drawn(held_out=True))
    (25, 8)
    """
    chance = random.Random(SEED + held_out)
    granularities = UNSEEN_GRANULARITIES if held_out else GRANULARITIES
    found: list[Problem] = []
    while len(found) < DRAWN[held_out]:
        m, n, k = (round(log_uniform(chance, *SIDES)) for _ in "mnk")
        height, width = granularities[len(found) % len(granularities)]
        share = log_uniform(chance, 1 - SPARSITIES[1], 1 - SPARSITIES[0])
        stored = share * m * k
        if max(m * k, m * n, k * n) <= ELEMENTS and stored * n <= MULTIPLIED and stored >= LEAST_KEPT * height * width:
            found.append(Problem(m, n, k, height, width, round(1 - share, 4)))
    return found if held_out else found + [Problem(m, n, k, 1, 1, sparsity) for m, n, k, sparsity in ENDS]


def _whole(side: int) -> int:
    """Return the nearest multiple of the side of a block, at least one block."""
    return max(1, round(side / BLOCK)) * BLOCK


def _mask(problem: Problem) -> RandomMask:
    return RandomMask(problem.m, problem.k, problem.height, problem.width, problem.sparsity)


def _matrix(problem: Problem, number: int) -> Tensor:
    """Return the m x k matrix of a problem with its zeros."""
    mask = pit.block_mask((problem.m, problem.k), (problem.height, problem.width), problem.sparsity, "cpu", number)
    made: Tensor = random_tensor((problem.m, problem.k), "fp32", "cpu", 2 * number) * mask
    return made


def _product(kernel: str, problem: Problem, held_out: bool) -> Case:
    """Return the case of a product; its dense matrix lies transposed, as rows by which a weight is multiplied do."""
    convert, transposed = to_bsr if kernel == "bsr" else to_csr, kernel == "csr-turned"
    m, k = (problem.k, problem.m) if transposed else (problem.m, problem.k)

    def make_inputs(number: int) -> Inputs:
        right = random_tensor((problem.n, k), "fp32", "cpu", 2 * number + 1).T
        return convert(_matrix(problem, number)), right

    def run(left: Tensor, right: Tensor) -> Tensor:
        return multiplied(left.t() if transposed else left, right)

    def check(output: Tensor, inputs: Inputs) -> float:
        left = inputs[0].to_dense()
        some = (left.T if transposed else left)[:CHECKED]
        return relative_error(output[:CHECKED], some.double() @ inputs[1].double())

    stored = stored_elements(kernel.partition("-")[0], _mask(problem))
    shape = {"m": m, "n": problem.n, "k": k, "stored": stored, "batch": 1}
    state: State = "cold" if transposed else "warm"
    return Case(kernel, "fp32", shape, make_inputs, run, check, held_out, state=state)


def _conversion(library: str, problem: Problem, held_out: bool) -> Case:
    convert = to_bsr if library == "bsr" else to_csr

    def make_inputs(number: int) -> Inputs:
        return (_matrix(problem, number),)

    def check(output: Tensor, inputs: Inputs) -> float:
        return relative_error(output.to_dense(), inputs[0])

    shape = conversion(library, _mask(problem))
    state: State = "warm" if library == "bsr" else "cold"
    return Case(f"{library}-convert", "fp32", shape, make_inputs, convert, check, held_out, state=state)


def _head(queries: int, keys: int, width: int, seen: int, held_out: bool) -> Case:
    """Return the case of a head whose queries see so many keys in a row, each from another one on."""

    def make_inputs(number: int) -> Inputs:
        torch = require_torch()
        rows = [random_tensor((each, width), "fp32", "cpu", 3 * number + at) for at, each in
                enumerate((queries, keys, keys))]  # fmt: skip
        generator = torch.Generator().manual_seed(number)
        starts = torch.randint(keys - seen + 1, (queries, 1), generator=generator)
        with _quiet():
            mask = torch.sparse_csr_tensor(
                torch.arange(queries + 1) * seen, (starts + torch.arange(seen)).flatten(), torch.ones(queries * seen),
                (queries, keys),
            )  # fmt: skip
        return *rows, mask

    def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return stored_attention(q, k, v, mask, width**-0.5)

    def check(output: Tensor, inputs: Inputs) -> float:
        from torch.nn.functional import scaled_dot_product_attention

        q, k, v, mask = inputs
        some = min(CHECKED, queries)
        columns = mask.col_indices()[: some * seen].view(some, seen)
        sees = columns.new_zeros(some, keys).scatter(1, columns, 1).bool()
        wanted = scaled_dot_product_attention(q[:some].double(), k.double(), v.double(), attn_mask=sees)
        return relative_error(output[:some], wanted)

    shape = {"m": queries, "n": width, "k": keys, "stored": queries * seen, "batch": 1}
    return Case("csr-attention", "fp32", shape, make_inputs, run, check, held_out, state="warm")


def _few_rows(number: int) -> Inputs:
    torch = require_torch()
    return random_tensor((8, 16), "fp32", "cpu", number), random_tensor((16, 16), "fp32", "cpu", number + 1), \
        torch.tensor([0, 3, 8])  # fmt: skip


class _Jagged:
    """So many calls with jagged tensors of few rows: products, activations, sums and norms in turn."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self, rows: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
        from torch.nn import functional

        turns: tuple[Callable[[Tensor], Tensor], ...] = (
            lambda x: functional.linear(x, weight, weight[0]), functional.gelu, lambda x: x + x,
            lambda x: functional.layer_norm(x, (16,), weight[0], weight[1]),
        )  # fmt: skip
        made = jagged(rows, offsets)
        for number in range(self.calls):
            made = turns[number % len(turns)](made)
        return made.values()


def _trained(calls: int) -> Callable[[int], Inputs]:
    def make_inputs(number: int) -> Inputs:
        rows, weight, offsets = _few_rows(number)
        made = _Jagged(calls)(rows.requires_grad_(), weight.requires_grad_(), offsets)
        return made, rows, weight

    return make_inputs


def _gradients(made: Tensor, rows: Tensor, weight: Tensor) -> Any:
    import torch

    return torch.autograd.grad(made, (rows, weight), torch.ones_like(made), retain_graph=True)
