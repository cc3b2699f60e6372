"""What a cost formula misses by, learned from many measurements of one kernel: boosted trees over sizes and tiles.

A library picks one of several kernels for a shape, and which one is seen in the time. The features say how well each
tile that the library was seen to use fits the shape: how much of it is padding, and how full its last wave is. Trees
that ask for these learn what the library chooses and what it costs there. Outside the samples a tree holds its last
value, so a correction never runs away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.models.compute.convolution import as_product
from simcore.models.compute.device import Device

Shape = Mapping[str, float]
Tiles = Sequence[tuple[int, int]]

UNIT = 1e-4
"""Leaves are whole multiples of this, in logarithms of the time: 0.01 %."""

USUAL_WIDTH = 1024.0
"""Elements of a row where a shape does not say."""


@dataclass(frozen=True)
class Tree:
    """A tree that asks one question per level, the same at every node of that level.

    Attributes
    ----------
    questions : sequence of (int, float)
        Which feature, and the limit from which on the answer is yes.
    leaves : sequence of int
        Values [`UNIT`], by the answers as a binary number, the first question's first.
    """

    questions: Sequence[tuple[int, float]]
    leaves: Sequence[int]


@dataclass(frozen=True)
class Correction:
    """A factor on a formula's time, by shape.

    Attributes
    ----------
    features : str
        A key of `FEATURES`.
    tiles : sequence of (int, int)
        Output tiles BM x BN of the library, by which shapes are described.
    trees : sequence of Tree
        Their leaves add up.

    Examples
    --------
    >>> tree = Tree(((0, 10.0),), (0, 1000))
    >>> toy = Device("toy", "cuda", 1, 1e9, 1e9, 1e6)
    >>> round(Correction("moved", (), (tree,)).factor({"bytes": 2048}, toy), 4)
    1.1052
    """

    features: str
    tiles: Sequence[tuple[int, int]]
    trees: Sequence[Tree]

    def factor(self, shape: Mapping[str, float], device: Device) -> float:
        """Return what to multiply the formula's time by."""
        values = FEATURES[self.features](shape, self.tiles, device)
        total = 0
        for tree in self.trees:
            leaf = 0
            for feature, limit in tree.questions:
                leaf += leaf + (values[feature] >= limit)
            total += tree.leaves[leaf]
        return math.exp(total * UNIT)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Correction:
        """Build a correction of a document that was checked before."""
        trees = tuple(Tree(tuple(map(tuple, one["questions"])), tuple(one["leaves"])) for one in document["trees"])
        return cls(document["features"], tuple(map(tuple, document["tiles"])), trees)


def product_features(shape: Shape, tiles: Tiles, device: Device) -> list[float]:
    """Describe a product: its sizes, its work per byte, how they divide, and how the tiles fit it."""
    m, n, k, batch = shape["m"], shape["n"], shape["k"], shape.get("batch", 1)
    output, moved = m * n * batch, m * k + k * n + m * n
    sizes = [*map(math.log2, (m, n, k, batch, output, output * k, m * n * k / moved))]
    return [*sizes, k % 4, n % 4, m % 4, k % 32, *_tiled(m, n, batch, tiles, device)]


def moved_features(shape: Shape, tiles: Tiles, device: Device) -> list[float]:
    """Describe a kernel that moves bytes: how many, in how many rows of how many elements."""
    width = shape.get("width", USUAL_WIDTH)
    return [math.log2(shape["bytes"]), math.log2(width), math.log2(shape["bytes"] / width), width % 4, width % 2]


def convolution_features(shape: Shape, tiles: Tiles, device: Device) -> list[float]:
    """Describe a convolution: its sizes, how they divide, and how tiles fit it as one product and as Winograd's 36.

    Winograd's algorithm makes a 3 x 3 convolution of 36 products with a row for every 4 x 4 pixels.
    """
    product = as_product(shape)
    m, n, k, groups = product["m"], product["n"], product["k"], product["batch"]
    batch, channels, out = shape["batch"], shape["in_channels"], shape["out_channels"]
    height, width = shape["height"], shape["width"]
    read, written, weights = batch * channels * height * width, m * n * groups, n * k * groups
    blocks = batch * math.ceil(height / 4) * math.ceil(width / 4)
    logs = (batch, channels, out, height, m, m * n * k * groups, m * n * k * groups / (read + written + weights),
            blocks, read, written, weights / (read + written), channels * out)  # fmt: skip
    parts = [channels % 4, out % 4, channels % 8, out % 32, height % 2, height % 4, 16 * blocks / m]
    fits = [*_tiled(m, n, groups, tiles, device), *_tiled(blocks, n, 36 * groups, tiles, device)]
    return [*map(math.log2, logs), *parts, *fits, *_algorithms(shape, product, device)]


DIRECT = ((128, 128), (128, 64), (128, 32))
"""Tiles of the product that a convolution is, as the kernels of cuDNN are named after."""

TRANSFORMED = ((128, 64), (64, 64), (32, 128))
"""Tiles of the 36 products of Winograd's algorithm where its transforms are kernels of their own."""

FUSED = (32, 8, 16)
"""Channels, rows and columns that a block makes of the output where Winograd's algorithm is one kernel."""

FUSED_SAVES = 2.25
"""What it saves of the multiplications: 16 in place of 36 for 2 x 2 pixels."""


def _algorithms(shape: Shape, product: Shape, device: Device) -> list[float]:
    """Return what each of the library's algorithms takes, in doublings of what the direct product takes at best.

    The blocks of the fused kernel are those that the grids of measured kernels have.
    """
    m, n, k, groups = product["m"], product["n"], product["k"], product["batch"]
    channels = shape["in_channels"] / groups
    squares = shape["batch"] * math.ceil(shape["height"] / 4) * math.ceil(shape["width"] / 4)
    direct = [math.log2(math.prod(_tiled(m, n, groups, (tile,), device))) for tile in DIRECT]
    work = squares * n * 36 * channels / (m * n * k)
    transformed = [math.log2(work * _rounded(squares, n, 36 * groups, tile, device)) for tile in TRANSFORMED]
    high, rows, columns = FUSED
    blocks = shape["batch"] * groups * math.ceil(n / high)
    blocks *= math.ceil(shape["height"] / rows) * math.ceil(shape["width"] / columns)
    padded = blocks * high * rows * columns / (m * n * groups)
    eights = math.ceil(channels / 8) * 8 / channels
    idle = [math.ceil(blocks / slots) * slots / blocks for slots in (device.processors, 2 * device.processors)]
    fused = [math.log2(padded * one * eights / FUSED_SAVES) for one in idle]
    best = min(direct), min(transformed), fused[1]
    moved = math.log2(36 * squares * (channels + n) / (m * n * k))
    sizes = [math.log2(blocks / device.processors), math.log2(m * n * k * groups / device.processors)]
    beside = [best[0] - best[1], best[0] - best[2], best[1] - best[2]]
    return [padded, *idle, eights, *sizes, *fused, *transformed, *direct, moved, *beside]


def _rounded(m: float, n: float, batch: float, tile: tuple[int, int], device: Device) -> float:
    """Return what padding, and processors that get no block at all, multiply the time by."""
    high, wide = tile
    blocks = batch * math.ceil(m / high) * math.ceil(n / wide)
    return blocks * high * wide / (m * n * batch) * max(1.0, device.processors / blocks)


def _tiled(m: float, n: float, batch: float, tiles: Tiles, device: Device) -> list[float]:
    """Return for each tile what padding, and the processors that idle in the last wave, multiply the time by."""
    features = []
    for high, wide in tiles:
        blocks = batch * math.ceil(m / high) * math.ceil(n / wide)
        waves = math.ceil(blocks / device.processors)
        features += [blocks * high * wide / (m * n * batch), waves * device.processors / blocks]
    return features


FEATURES: Mapping[str, Callable[[Shape, Tiles, Device], list[float]]] = {
    "product": product_features,
    "moved": moved_features,
    "convolution": convolution_features,
}
"""What trees can ask for, by kind of kernel."""

_LENGTHS = {"product": (11, 1), "moved": (5, 0), "convolution": (37, 2)}


def count_features(kind: str, tiles: int) -> int:
    """Return how many features a kind has with so many tiles.

    Examples
    --------
    >>> toy = Device("toy", "cuda", 80, 1e9, 1e9, 1e6)
    >>> len(product_features({"m": 3, "n": 4, "k": 5}, ((128, 64), (32, 32)), toy)) == count_features("product", 2)
    True
    """
    own, tilings = _LENGTHS[kind]
    return own + 2 * tilings * tiles


FEATURES_OF: Mapping[str, str] = {
    "gemm": "product", "stream": "moved", "conv": "convolution",
    "conv_input_gradient": "convolution", "conv_weight_gradient": "convolution",
}  # fmt: skip
"""The kind of each formula that can be corrected."""
