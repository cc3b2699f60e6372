"""The sweeps behind PIT's Figures 15 to 17, and of experts and sequences: what is measured, row by row.

Each function yields mappings with seconds [s]; `time` is a function that times one call. Nothing here decides what is
good: rows hold every candidate, and `best_rows` picks the quickest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from simcore.calibrate import moe, pit, sequence
from simcore.calibrate.measure import random_tensor, relative_error, time_callable
from simcore.errors import RunError

Row = dict[str, Any]
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

    def seconds(self, run: Callable[..., Any], inputs: Callable[[int], tuple[Any, ...]], wanted: Any = None) -> float:
        """Return the median time of a call [s], checked against `wanted` where it is given."""
        check = None if wanted is None else lambda out, _: relative_error(out, wanted)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse (CSR|BSR) tensor support is in beta", UserWarning)
            sample = time_callable(
                inputs, run, device=self.device, dtype=self.dtype, repeats=self.repeats, budget=self.budget, rotate=1,
                check=check, zeros=True,
            )  # fmt: skip
        return sample.seconds


def _given(*inputs: Any) -> Callable[[int], tuple[Any, ...]]:
    """Return what hands out the same inputs every time."""
    return lambda _: inputs


def block_mask(
    shape: tuple[int, int], granularity: tuple[int, int], sparsity: float, device: str, seed: int = 0
) -> Any:
    """Return a mask whose blocks are False independently of each other with probability `sparsity`."""
    import torch

    down, across = (-(-size // step) for size, step in zip(shape, granularity, strict=True))
    some = torch.rand(down, across, generator=torch.Generator().manual_seed(seed)) >= sparsity
    mask = some.repeat_interleave(granularity[0], 0).repeat_interleave(granularity[1], 1)
    return mask[: shape[0], : shape[1]].contiguous().to(device)


def best_rows(rows: list[Row]) -> list[Row]:
    """Return for each granularity and sparsity the quickest of each family beside dense, index with and without.

    PIT is chosen by its total; CSR and BSR by multiplication alone, which favours them.
    """
    found = []
    for key in dict.fromkeys((row["granularity"], row["sparsity"]) for row in rows):
        ran = [row for row in rows if (row["granularity"], row["sparsity"]) == key and row["seconds"]]
        dense = next(row["seconds"] for row in ran if row["way"] == "dense")
        pits = [row for row in ran if row["way"].startswith("pit")]
        out: Row = {"granularity": key[0], "sparsity": key[1], "dense": dense}
        for family in ("csr", "bsr", "blocks"):
            times = [row["seconds"] for row in ran if row["way"] == family]
            out[family] = min(times) if times else None
        quickest = min(pits, key=lambda row: row["seconds"] + row["index_seconds"], default=None)
        if quickest is None:
            raise RunError(
                f"no kernel of PIT ran: {'; '.join(dict.fromkeys(row['note'] for row in rows if row['note']))}"
            )
        total = quickest["seconds"] + quickest["index_seconds"]
        out.update(pit=quickest["seconds"], index=quickest["index_seconds"], total=total)
        out.update(way=quickest["way"], tile=quickest["tile"], speedup=dense / quickest["seconds"])
        found.append({**out, "speedup_total": dense / total})
    return found


def break_even(best: list[Row]) -> list[Row]:
    """Return for each granularity the sparsity from which PIT's total beats dense, interpolated between measured ones.

    None where it never does; 'speedup_total' must cross one for the last time.
    """
    found = []
    for granularity in dict.fromkeys(row["granularity"] for row in best):
        line = sorted((row["sparsity"], row["speedup_total"]) for row in best if row["granularity"] == granularity)
        edge = None
        for (low, slow), (high, fast) in pairwise(line):
            if slow < 1 <= fast:
                edge = low + (high - low) * (1 - slow) / (fast - slow)
        if edge is None and all(speedup >= 1 for _, speedup in line):
            edge = line[0][0]
        found.append({"granularity": granularity, "break_even": edge})
    return found


def products(bench: Bench, size: int, granularity: tuple[int, int], sparsity: float) -> Iterator[Row]:
    """Time one product of Figure 15 in every way: dense, CSR, BSR and PIT.

    Parameters
    ----------
    bench : Bench
        How to measure.
    size : int
        Rows and columns of all three matrices.
    granularity : tuple of (int, int)
        Blocks of zeros.
    sparsity : float
        Share of blocks that are zero.

    Yields
    ------
    mapping
        ``way``, ``tile``, ``seconds`` to multiply, ``index_seconds`` to build what is needed first, and ``note``, the
        reason where a way does not run here and has no seconds.
    """
    mask = block_mask((size, size), granularity, sparsity, bench.device)
    a = random_tensor((size, size), bench.dtype, bench.device, 1) * mask
    b = random_tensor((size, size), bench.dtype, bench.device, 2)
    wanted = a.double() @ b.double()
    base = {"granularity": f"{granularity[0]}x{granularity[1]}", "sparsity": sparsity}
    for way, tile, build, multiply in _ways(bench, mask, a, b):
        row = {**base, "way": way, "tile": "x".join(map(str, tile)), "seconds": None, "index_seconds": 0.0, "note": ""}
        try:
            if build is not None:
                row["index_seconds"] = bench.seconds(build, _given())
            index = build() if build is not None else None
            row["seconds"] = bench.seconds(multiply, _given(index), wanted)
        except Exception as failure:  # each library refuses in a type of its own; the row says that it did, and why
            row["note"] = (str(failure).splitlines() or [type(failure).__name__])[0][:120]
        yield row


Way = tuple[str, tuple[int, ...], Callable[[], Any] | None, Callable[..., Any]]


def _ways(bench: Bench, mask: Any, a: Any, b: Any) -> Iterator[Way]:
    """Yield name, tile, what builds the index, and what multiplies given the index."""
    yield "dense", (), None, lambda _: a @ b
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
    from simcore.calibrate.pit_triton import build_index, k_axis, m_axis

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
    """Yield every way over granularities and sparsities."""
    for granularity in GRANULARITIES:
        for sparsity in SPARSITIES:
            yield from products(bench, size, granularity, sparsity)


def figure16(bench: Bench, size: int, sparsities: tuple[float, ...] = (0.0, 0.5, 0.9, 0.99)) -> Iterator[Row]:
    """Yield whole 32x64 blocks against 32x1 micro-tiles in the same tile: what SRead costs."""
    tile = (32, 64, 32)
    for sparsity in sparsities:
        for way, granularity in (("blocks", (32, 64)), ("pit k-axis", (32, 1))):
            mask = block_mask((size, size), granularity, sparsity, bench.device)
            a = random_tensor((size, size), bench.dtype, bench.device, 1) * mask
            b = random_tensor((size, size), bench.dtype, bench.device, 2)
            seconds = bench.seconds(_same_tile(bench, mask, a, b, tile, way), _given(), a.double() @ b.double())
            yield {"sparsity": sparsity, "way": way, "granularity": "x".join(map(str, granularity)), "seconds": seconds}


def _same_tile(bench: Bench, mask: Any, a: Any, b: Any, tile: tuple[int, int, int], way: str) -> Callable[[], Any]:
    if bench.fused:
        from simcore.calibrate import pit_triton

        whole = way == "blocks"
        found = pit_triton.build_index(mask, tile[0], tile[1] if whole else 1)
        left = a if whole else a.T.contiguous().T
        return lambda: pit_triton.k_axis(left, b, found, tile, whole=whole)
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
            base = {"granularity": f"{side}x{side}", "sparsity": sparsity}
            ways: dict[str, Callable[[], Any]] = {"pit": partial(_list_blocks, mask, side)}
            if bench.fused:
                from simcore.calibrate.pit_triton import build_index

                ways["pit"] = partial(build_index, mask, side, side)
            ways["csr"] = values.to_sparse_csr
            if side > 1:
                ways["bsr"] = partial(values.to_sparse_bsr, (side, side))
            for way, build in ways.items():
                yield {**base, "way": way, "seconds": bench.seconds(build, _given())}


def _list_blocks(mask: Any, side: int) -> Any:
    return pit.kept(mask, side, side).nonzero()


def experts(bench: Bench, tokens: int, width: int, counts: tuple[int, ...] = (8, 32)) -> Iterator[Row]:
    """Yield the experts' product one by one, padded and grouped, with tokens spread evenly and by Zipf's law."""
    import torch

    for count in counts:
        for spread in ("uniform", "zipf"):
            chances = torch.ones(count) if spread == "uniform" else 1 / torch.arange(1, count + 1)
            chosen = torch.multinomial(chances, tokens, True, generator=torch.Generator().manual_seed(0))
            order, ends = moe.route(chosen.to(bench.device), count)
            x = random_tensor((tokens, width), bench.dtype, bench.device, 1)
            weights = random_tensor((count, width, width), bench.dtype, bench.device, 2)
            wanted = moe.by_loop(x.double(), weights.double(), order, ends)
            for way, product in moe.WAYS.items():
                inputs = (x, weights, order, ends)
                seconds = bench.seconds(product, _given(*inputs), wanted)
                grouped = way != "grouped" or moe.grouped_product() is not None
                note = "" if grouped else "this torch has no grouped product: the loop stood in"
                yield {"experts": count, "spread": spread, "way": way, "seconds": seconds, "note": note}


def sequences(bench: Bench, batch: int, longest: int, width: int) -> Iterator[Row]:
    """Yield a linear layer on padded and on packed sequences over the share of positions that hold a token."""
    import torch

    for share in (0.125, 0.25, 0.5, 0.875):
        lengths = torch.randint(
            1, max(int(2 * share * longest), 2), (batch,), generator=torch.Generator().manual_seed(0)
        )
        where = sequence.valid(lengths.clamp(max=longest), longest).to(bench.device)
        x = random_tensor((batch, longest, width), bench.dtype, bench.device, 1) * where[:, :, None]
        weight = random_tensor((width, width), bench.dtype, bench.device, 2)
        positions = where.flatten().nonzero()[:, 0]
        wanted = x.double() @ weight.double()
        valid = len(positions) / (batch * longest)
        padded = bench.seconds(sequence.padded_linear, _given(x, weight), wanted)
        yield {"valid": valid, "way": "padded", "seconds": padded}
        packed = bench.seconds(sequence.packed_linear, _given(x, weight, positions), wanted)
        yield {"valid": valid, "way": "packed", "seconds": packed}


def has_triton() -> bool:
    """Say whether the Triton kernels can be imported."""
    from importlib.util import find_spec

    return find_spec("triton") is not None


def device_name(device: str) -> str:
    """Return the device's own name."""
    import platform

    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return platform.processor() or platform.machine()
