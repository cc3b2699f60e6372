"""Published tile tables: what PIT's kernels take on some GPUs, by tile and sparsity."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field

from simcore.files import read_bytes, read_yaml
from simcore.models.compute.sparse.prices import TileEntry, TileTable
from simcore.models.compute.sparse.tiles import Product, SparseKernel
from simcore.readers.quantities import Entry, Measure, NotEmpty, Strict, Time, Whole
from simcore.readers.zoo import ROOT

FILE = ROOT / "_measured" / "pit-tiles.yaml"
"""File of the zoo."""

TILE_K, TILE_N = 32, 64
"""Sides of PIT's tiles that its table does not name."""

_Size = Annotated[Whole, Field(ge=1)]


class _Shape(Strict):
    m: _Size
    k: _Size
    n: _Size


class _Time(Strict):
    sparsity: Annotated[Measure, Field(ge=0, lt=1)]
    time: Annotated[Time, Field(gt=0)]


class _Tile(Strict):
    rows: _Size
    times: Annotated[list[_Time], NotEmpty]


class _Tiles(Entry):
    devices: Annotated[list[str], NotEmpty]
    dtype: str
    shape: _Shape
    dense: Annotated[Time, Field(gt=0)]
    tiles: Annotated[list[_Tile], NotEmpty]


@cache
def read_tile_table() -> tuple[TileTable, tuple[str, ...]]:
    """Return PIT's published tile table, and the devices of its class.

    Examples
    --------
    >>> table, devices = read_tile_table()
    >>> [entry.kernel.name for entry in table.entries][-1], table.dense, devices[0]
    ('k-axis 32x1 in 32x32x64', 0.01022, 'v100-16gb')
    """
    data = read_yaml(FILE, _Tiles, "tile table", read_bytes(FILE, "tile table").decode())
    entries = tuple(
        TileEntry(
            SparseKernel("k", tile.rows, TILE_K, TILE_N),
            tuple(one.sparsity for one in tile.times),
            tuple(one.time for one in tile.times),
        )
        for tile in data.tiles
    )
    shape = Product(**data.shape.model_dump(), dtype=data.dtype)
    return TileTable(shape, data.dense, entries, "PIT's published tile table"), tuple(data.devices)
