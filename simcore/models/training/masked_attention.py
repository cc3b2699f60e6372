"""The core of attention under a mask, and what finds it: dense, by CSR head by head, or block by block of queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from simcore.models.compute.sparse.statistics import Bars, Lengths, Pattern, Routing
from simcore.models.training.operators import Operation, Operator
from simcore.models.training.way import INDEX, Library, Masked, Way, moving, of_mask, of_product, of_rows

_SMALL = 7
"""Kernels of a few hundred elements that find the queries and keys of a block, and say if pairs are hidden."""


def core(one: Operator, way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield the core of attention: under a mask, or block by block of queries with the keys that it sees."""
    seen = one.mask
    assert seen is not None
    assert not isinstance(seen, Routing)
    sizes = {name: int(size) for name, size in one.shape}
    if isinstance(seen, Bars):
        yield from _summarised(one, seen, masked)
    if not isinstance(seen, Lengths) and masked.uses(way, Library.CSR):
        yield from _stored_heads(one, seen, masked)
        return
    if way is not Way.PIT or not masked.block:
        masks = sizes["batch"] if isinstance(seen, Lengths) else 1
        keys = sizes["keys"] if isinstance(seen, Lengths) else seen.columns(sizes["keys"])
        pairs = masks * sizes["queries"] * keys
        yield of_mask(f"{one.path}.added", "where", (masked.element + 1) * pairs)
        yield replace(one, shape=tuple((name, keys if name == "keys" else size) for name, size in one.shape), mask=None)
        return
    yield moving(f"{one.path}.cleared", "copy", one.output)
    yield moving(f"{one.path}.scale", "mul", 2 * one.output)
    for samples, queries, keys, hidden in visible(seen, sizes["batch"], sizes["queries"], masked):
        yield from _visible(one, samples * sizes["heads"], queries, keys, sizes["width"], hidden, masked)


def _summarised(one: Operator, bars: Bars, masked: Masked) -> Iterator[Operator]:
    """Yield what puts the means of each bar behind keys and values: whole bars, their sums, and both in a row."""
    keys = int(one.size("keys"))
    row = masked.element * int(one.size("batch") * one.size("heads") * one.size("width"))
    for name in ("keys", "values"):
        yield moving(f"{one.path}.{name}_whole", "copy", 2 * row * keys)
        yield moving(f"{one.path}.{name}_means", "copy", row * bars.columns(keys))
        yield moving(f"{one.path}.{name}_joined", "copy", 2 * row * bars.columns(keys))


def _stored_heads(one: Operator, seen: Pattern, masked: Masked) -> Iterator[Operator]:
    """Yield attention head by head, whose scores are stored where a query sees a key, and what joins the heads."""
    sizes = {name: int(size) for name, size in one.shape}
    shape = (
        ("m", sizes["queries"]), ("n", sizes["width"]), ("k", seen.columns(sizes["queries"])),
        ("stored", sum(seen.kept(sizes["queries"], 1))), ("batch", 1),
    )  # fmt: skip
    heads = sizes["batch"] * sizes["heads"]
    for number in range(heads):
        yield replace(one, kernel="csr-attention", shape=shape, operation=Operation.STORED, mask=None,
                      work=one.work / heads, saved=one.saved / heads, output=one.output / heads,
                      path=f"{one.path}.{number}")  # fmt: skip
    yield moving(f"{one.path}.joined", "copy", 2 * one.output)


def visible(seen: Lengths | Pattern, batch: int, sequence: int, masked: Masked) -> Iterator[tuple[int, int, int, bool]]:
    """Yield blocks of queries: samples that share one, its queries, the keys that they see, and if pairs are hidden.

    Parameters
    ----------
    seen : Lengths, Window or Bars
        A mask of each sample, or one of all.
    batch, sequence : int
        Samples, and the positions of each.
    masked : Masked
        How many queries are in a block.

    Examples
    --------
    >>> list(visible(Lengths(((40, 1),), 64), 1, 64, Masked(4, 64)))
    [(1, 32, 32, True), (1, 8, 40, True)]
    """
    if not isinstance(seen, Lengths):
        for start, keys in zip(range(0, sequence, masked.block), seen.kept(sequence, masked.block), strict=True):
            yield batch, min(masked.block, sequence - start), keys, True
        return
    for length in seen.each:
        for start in range(0, length, masked.block):
            stop = min(start + masked.block, length)
            yield 1, stop - start, stop if masked.causal else length, masked.causal


def _visible(
    one: Operator, heads: int, queries: int, keys: int, width: int, hidden: bool, masked: Masked
) -> Iterator[Operator]:
    """Yield what one block of queries computes in so many heads of all its samples."""
    e, path = masked.element, one.path
    scores = heads * queries * keys
    yield of_rows(f"{path}.queries", "gather", heads * queries, e * width)
    yield of_rows(f"{path}.keys", "gather", heads * keys, e * width)
    yield of_product(f"{path}.scores", Operation.SCORES, (queries, keys, width), heads, e)
    if hidden:  # what the product is added to
        yield of_mask(f"{path}.hide", "copy", 2 * e * scores)
    softmax = (("bytes", 2 * e * scores), ("width", keys))
    yield Operator("softmax", softmax, path=f"{path}.softmax", operation=Operation.ELEMENTWISE,
                   saved=float(e * scores), output=float(e * scores))  # fmt: skip
    yield of_rows(f"{path}.values", "gather", heads * keys, e * width)
    yield of_product(f"{path}.context", Operation.CONTEXT, (queries, width, keys), heads, e)
    yield of_rows(f"{path}.unpack", "scatter", heads * queries, e * width)


def stored_mask(one: Operator, seen: Pattern) -> Iterator[Operator]:
    """Yield what makes numbers of a mask of booleans, and stores it."""
    rows = int(one.size("queries"))
    elements, stored = rows * seen.columns(rows), sum(seen.kept(rows, 1))
    yield of_mask(f"attention.{INDEX}", "copy", 5 * elements)
    shape = (("elements", elements), ("stored", stored), ("runs", rows))
    yield Operator("csr-convert", shape, path=f"attention.{INDEX}", operation=Operation.INDEX)


def visible_index(one: Operator, mask: Lengths | Pattern, masked: Masked) -> Iterator[Operator]:
    """Yield what finds the keys of each block of queries, and the pairs among them that stay hidden."""
    sizes = {name: int(size) for name, size in one.shape}
    queries = sizes["queries"]
    keys = queries if isinstance(mask, Lengths) else mask.columns(queries)
    samples = mask.sequences if isinstance(mask, Lengths) else 1
    blocks = math.ceil(queries / masked.block)
    shape = (("elements", queries * keys), ("partial", queries * keys), ("micro", blocks * keys), ("found", keys))
    for _ in range(samples):
        yield Operator("index", shape, dtype="bool", path=f"attention.{INDEX}", operation=Operation.INDEX)
    for _, rows, seen, hidden in visible(mask, 1, queries, masked):
        for _step in range(_SMALL):
            yield of_mask(f"attention.{INDEX}", "copy", 2 * max(rows, seen))
        for _step in range(1 + hidden):  # pairs are picked one by one, and where some are hidden become numbers
            yield of_mask(f"attention.{INDEX}", "where", 5 * rows * seen)
