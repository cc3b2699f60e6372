"""The sweeps behind PIT's Figures 15 to 17: what is measured, row by row.

Each function yields mappings with seconds [s]. Nothing here decides what is good: rows hold every candidate, and
`simcore.calibrate.sweeps.summary` picks the quickest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from simcore.calibrate.kernels import pit
from simcore.calibrate.kernels.pit import block_mask
from simcore.calibrate.measure.failures import Unmeasured, is_lost, reason, require_kept
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import time_callable
from simcore.models.compute.profile import NOISY, Sample

Row = dict[str, Any]
"""One measurement: what, seconds [s], and how sure they are, see `UNMEASURED`."""

UNMEASURED: Row = {
    "seconds": None, "spread": None, "repeats": 0, "index_seconds": 0.0, "index_spread": 0.0, "noisy": False,
    "note": "",
}  # fmt: skip
"""What every row holds beside what was measured, before it is.

Medians of a product and of its index [s], with the interquartile range over each, and how often the product was timed.
Noisy is a row with a spread above `NOISY`, as a calibration marks it. The note says why a row has no seconds.
"""
ALONE: Row = {name: value for name, value in UNMEASURED.items() if not name.startswith("index_")}
"""The same of what needs no index."""

GRANULARITIES = ((32, 1), (1, 64), (32, 64))
SPARSITIES = (0.5, 0.9, 0.95, 0.99)
FUSED_TILES = {
    "k": ((32, 32, 64), (32, 32, 128), (32, 64, 128), (64, 32, 64), (128, 32, 64)),
    "m": ((32, 64, 64), (64, 64, 64), (64, 64, 128)),
    "block": ((32, 64, 64), (32, 64, 128)),
}
"""BM, BK and BN of the Triton kernels that are tried, by axis."""


@dataclass(frozen=True)
class Bench:
    """Where and how long to measure.

    Attributes
    ----------
    device : str
        ``cpu``, ``cuda`` or ``cuda:1``.
    dtype : str
        ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
    repeats : int
        Timed calls.
    budget : float
        Seconds after which no further call is timed [s].
    fused : bool
        Whether the Triton kernels are measured; they need a GPU, or the interpreter.
    """

    device: str = "cpu"
    dtype: str = "fp32"
    repeats: int = 5
    budget: float = 0.5
    fused: bool = False

    def sample(self, run: Callable[..., Any], inputs: Callable[[int], tuple[Any, ...]], wanted: Any = None) -> Sample:
        """Return the time of a call with its spread, the output checked against `wanted` where it is given."""
        check = None if wanted is None else lambda out, _: relative_error(out, wanted)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse (CSR|BSR) tensor support is in beta", UserWarning)
            return time_callable(
                inputs, run, device=self.device, dtype=self.dtype, repeats=self.repeats, budget=self.budget, rotate=1,
                check=check,
            )  # fmt: skip


def given(*inputs: Any) -> Callable[[int], tuple[Any, ...]]:
    """Return what hands out the same inputs every time."""
    return lambda _: inputs


def timed(row: Row, product: Sample, index: Sample | None = None) -> None:
    """Write into a row how long its product and its index took, and how sure that is."""
    row.update(seconds=product.seconds, spread=product.spread, repeats=product.repeats)
    if index is not None:
        row.update(index_seconds=index.seconds, index_spread=index.spread)
    row["noisy"] = max(product.spread, 0.0 if index is None else index.spread) > NOISY


@contextmanager
def noted(row: Row) -> Iterator[None]:
    """Write into a row why its way does not run here, unless the device is lost with it."""
    try:
        yield
    except Exception as failure:  # each library refuses in a type of its own
        if is_lost(failure):
            raise
        row["note"] = failure.why if isinstance(failure, Unmeasured) else reason(failure)


Shape = tuple[int, int, int]
"""M, N and K of a product of M x K by K x N."""


def dense_product(bench: Bench, shape: Shape) -> Sample:
    """Time the dense product of a shape, three times as often as others.

    All masks of the shape are compared with it: the zeros of a matrix change no dense kernel.
    """
    m, n, k = shape
    bench = replace(bench, repeats=3 * bench.repeats, budget=3 * bench.budget)
    a, b = random_tensor((m, k), bench.dtype, bench.device, 1), random_tensor((k, n), bench.dtype, bench.device, 2)
    return bench.sample(lambda: a @ b, given(), a.double() @ b.double())


def products(
    bench: Bench, shape: Shape, granularity: tuple[int, int], sparsity: float, dense: Sample | None = None
) -> Iterator[Row]:
    """Time one product of Figure 15 in every way: dense, CSR, BSR and PIT.

    Parameters
    ----------
    bench : Bench
        How to measure.
    shape : tuple of (int, int, int)
        M, N and K [elements].
    granularity : tuple of (int, int)
        Blocks of zeros in the first matrix, M x K.
    sparsity : float
        Share of blocks that are zero.
    dense : Sample, optional
        The dense product of this shape, where it has been timed; by default it is timed here.

    Yields
    ------
    mapping
        ``way``, ``tile``, and what `UNMEASURED` holds: ``seconds`` to multiply, ``index_seconds`` to build what is
        needed first.
    """
    m, n, k = shape
    mask = block_mask((m, k), granularity, sparsity, bench.device)
    a = random_tensor((m, k), bench.dtype, bench.device, 1) * mask
    b = random_tensor((k, n), bench.dtype, bench.device, 2)
    wanted = a.double() @ b.double()
    base = {"granularity": f"{granularity[0]}x{granularity[1]}", "sparsity": sparsity}
    row = {**base, "way": "dense", "tile": "", **UNMEASURED}
    with noted(row):
        require_kept(mask, "dense")
        timed(row, dense_product(bench, shape) if dense is None else dense)
    yield row
    for way, tile, build, multiply in _ways(bench, mask, a, b):
        row = {**base, "way": way, "tile": "x".join(map(str, tile)), **UNMEASURED}
        with noted(row):
            require_kept(mask, way)
            index = bench.sample(build, given())
            timed(row, bench.sample(multiply, given(build()), wanted), index)
        yield row


Way = tuple[str, tuple[int, ...], Callable[[], Any], Callable[..., Any]]


def _ways(bench: Bench, mask: Any, a: Any, b: Any) -> Iterator[Way]:
    """Yield name, tile, what builds the index, and what multiplies given the index."""
    yield "csr", (), a.to_sparse_csr, lambda sparse: sparse @ b
    for side in (16, 32, 64):
        yield "bsr", (side, side), partial(a.to_sparse_bsr, (side, side)), lambda sparse: sparse @ b
    if bench.fused:
        yield from _fused_ways(bench, mask, a, b)
        return
    for block in (32, 64, 256):
        by_k, by_m = partial(pit.k_axis, a, b, block=block), partial(pit.m_axis, a, b, block=block)
        yield "pit k-axis", (block, 1), partial(pit.row_block_index, mask, block), by_k
        yield "pit m-axis", (1, block), partial(pit.row_block_index, mask.T, block), by_m


def _fused_ways(bench: Bench, mask: Any, a: Any, b: Any) -> Iterator[Way]:
    from simcore.calibrate.kernels.pit_triton import build_index, k_axis, m_axis

    precision = "tf32" if bench.dtype == "tf32" else "ieee"
    by_columns = a.T.contiguous().T  # the layout that PIT keeps for the k-axis: contiguous along the micro-tile
    for tile in FUSED_TILES["k"]:
        run = partial(k_axis, by_columns, b, tile=tile, precision=precision)
        yield "pit k-axis", tile, partial(build_index, mask, tile[0]), run
    for tile in FUSED_TILES["m"]:
        run = partial(m_axis, a, b, tile=tile, precision=precision)
        yield "pit m-axis", tile, partial(build_index, mask.T, tile[1]), run
    for tile in FUSED_TILES["block"]:
        run = partial(k_axis, a, b, tile=tile, precision=precision, whole=True)
        yield "blocks", tile, partial(build_index, mask, tile[0], tile[1]), run


def figure15(bench: Bench, size: int) -> Iterator[Row]:
    """Yield every way over granularities and sparsities; the dense product is timed once for all of them."""
    shape = (size, size, size)
    dense = dense_product(bench, shape)
    for granularity in GRANULARITIES:
        for sparsity in SPARSITIES:
            yield from products(bench, shape, granularity, sparsity, dense)


def figure16(bench: Bench, size: int, sparsities: tuple[float, ...] = (0.0, 0.5, 0.9, 0.99)) -> Iterator[Row]:
    """Yield whole 32x64 blocks against 32x1 micro-tiles in the same tile: what SRead costs."""
    tile = (32, 64, 32)
    for sparsity in sparsities:
        for way, granularity in (("blocks", (32, 64)), ("pit k-axis", (32, 1))):
            mask = block_mask((size, size), granularity, sparsity, bench.device)
            a = random_tensor((size, size), bench.dtype, bench.device, 1) * mask
            b = random_tensor((size, size), bench.dtype, bench.device, 2)
            shown = "x".join(map(str, granularity))
            row = {"sparsity": sparsity, "way": way, "granularity": shown, **ALONE}
            with noted(row):
                require_kept(mask, way)
                run = _same_tile(bench, mask, a, b, tile, way)
                timed(row, bench.sample(run, given(), a.double() @ b.double()))
            yield row


def _same_tile(bench: Bench, mask: Any, a: Any, b: Any, tile: tuple[int, int, int], way: str) -> Callable[[], Any]:
    if bench.fused:
        from simcore.calibrate.kernels import pit_triton

        whole = way == "blocks"
        device_index = pit_triton.build_index(mask, tile[0], tile[1] if whole else 1)
        left = a if whole else a.T.contiguous().T
        return lambda: pit_triton.k_axis(left, b, device_index, tile, whole=whole)
    if way == "blocks":
        blocks = pit.row_block_index(pit.kept(mask, 1, tile[1]), tile[0])
        return lambda: pit.whole_blocks(a, b, blocks, tile[0], tile[1])
    index = pit.row_block_index(mask, tile[0])
    return lambda: pit.k_axis(a, b, index, tile[0])


def figure17(bench: Bench, size: int) -> Iterator[Row]:
    """Yield the time to build an index: PIT's unordered one and torch's CSR and BSR."""
    for side in (1, 16, 32):
        for sparsity in SPARSITIES:
            mask = block_mask((size, size), (side, side), sparsity, bench.device)
            values = random_tensor((size, size), bench.dtype, bench.device, 1) * mask
            base: Row = {"granularity": f"{side}x{side}", "sparsity": sparsity}
            ways: dict[str, Callable[[], Any]] = {"pit": partial(_list_blocks, mask, side)}
            if bench.fused:
                from simcore.calibrate.kernels.pit_triton import build_index

                ways["pit"] = partial(build_index, mask, side, side)
            ways["csr"] = values.to_sparse_csr
            if side > 1:
                ways["bsr"] = partial(values.to_sparse_bsr, (side, side))
            for way, build in ways.items():
                row = {**base, "way": way, **ALONE}
                with noted(row):
                    require_kept(mask, way)
                    timed(row, bench.sample(build, given()))
                yield row


def _list_blocks(mask: Any, side: int) -> Any:
    return pit.kept(mask, side, side).nonzero()
