"""The cost of torch's sparse libraries: products by matrices in CSR and BSR, and what a conversion makes of a matrix.

A library stores elements of a sparse matrix. CSR stores every non-zero, BSR every block of `BLOCK` that holds one.
Kernels of the profile are ``csr`` and ``bsr`` (a stored matrix times a dense one), ``csr-turned`` (the transpose of a
matrix in CSR, which a gradient multiplies by and which is sorted first) and ``csr-attention`` (a head of attention
whose scores are stored). ``csr-convert`` and ``bsr-convert`` find and copy the stored elements of a dense matrix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.sparse.masks import Mask, RandomMask, covered

BLOCK = 32
"""Rows and columns of a block of BSR [elements]."""

STORED = ("csr", "bsr", "csr-attention")
"""Kernels that multiply by a stored matrix."""

TURNED = "csr-turned"
"""Kernel that multiplies by the transpose of a stored matrix."""

RADIX = 2**15
"""Stored elements from which on torch sorts them digit by digit."""

CONVERSIONS = ("csr-convert", "bsr-convert")
"""Kernels that store a dense matrix."""

CALLS = ("jagged", "jagged_backward")
"""What Python costs at calls with jagged tensors, forward and in a backward pass."""


def stored_elements(library: str, mask: Mask | RandomMask) -> int:
    """Return how many elements of a matrix a library stores, or is expected to, at least one.

    ::

        z = sum over tiles of h w P(tile holds a non-zero)

    with tiles of one element, or of 32 x 32, which an edge may cut.

    Parameters
    ----------
    library : {'csr', 'bsr'}
        Which.
    mask : array of bool or RandomMask
        Where the m x k matrix holds a non-zero.

    Examples
    --------
    >>> mask = RandomMask(128, 64, 1, 32, 0.75)
    >>> stored_elements("csr", mask), stored_elements("bsr", mask)
    (2048, 8191)
    """
    return max(1, round(covered(mask, (1, 1) if library == "csr" else (BLOCK, BLOCK))))


def stored_seconds(shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return the time of a product of a stored m x k matrix and a dense k x n one [s].

    ::

        t = t0 + b (m row + z entry + 2 z n / rate + e (m n / out + k n / right))

    with z `stored` elements of each of b matrices (`batch`) and e bytes per element. Each row costs `row` and each
    stored element `entry` [s]. `rate` is a speed [FLOP/s]. The output is cleared and written at `out`, and the dense
    matrix brought into its layout and read at `right` [B/s].

    Of a head of attention m are the queries, k the keys and n the width of a head. The scores that are stored are
    multiplied twice, and an `entry` is their softmax too.

    Examples
    --------
    >>> p = {"t0": 1e-6, "row": 1e-7, "entry": 1e-9, "rate": 1e9, "out": 1e30, "right": 1e30}
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> shape = {"m": 10, "n": 8, "k": 20, "stored": 50, "batch": 1}
    >>> round(stored_seconds(shape, p, "fp32", toy) * 1e6, 3)
    2.85
    """
    m, n, k, z, e = shape["m"], shape["n"], shape["k"], shape["stored"], DTYPES[dtype]
    moved = e * n * (m / p["out"] + k / p["right"])
    return p["t0"] + shape.get("batch", 1) * (m * p["row"] + z * p["entry"] + 2 * z * n / p["rate"] + moved)


def stored_measures(shape: Mapping[str, float]) -> dict[str, float]:
    """Return the sizes whose sampled range a prediction must stay in."""
    sizes = {name: shape[name] for name in ("m", "n", "k")}
    return {**sizes, "stored elements": shape["stored"], "stored share": shape["stored"] / (shape["m"] * shape["k"])}


def turned_seconds(shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return the time of a product with the transpose of a matrix in CSR [s]: it is sorted by rows before.

    ::

        t = stored_seconds + z log2(z) sort where z < 2^15

    From 2^15 stored elements on torch sorts digit by digit, which costs an `entry` for each. Below that it compares
    them, which costs `sort` [s] more. m, n and k are those of the product that it computes.

    Examples
    --------
    >>> p = {"t0": 0.0, "row": 0.0, "entry": 0.0, "rate": 1e30, "out": 1e30, "right": 1e30, "sort": 1e-9}
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> shape = {"m": 64, "n": 8, "k": 64, "batch": 1}
    >>> [round(turned_seconds({**shape, "stored": z}, p, "fp32", toy) * 1e6, 3) for z in (1024, 2**15)]
    [10.24, 0.0]
    """
    z = shape["stored"]
    compared = z * math.log2(z) * p["sort"] if z < RADIX else 0.0
    return stored_seconds(shape, p, dtype, device) + compared


def conversion_seconds(shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return the time to store a dense matrix [s]: ``t = t0 + a elements + b stored + c runs``.

    All `elements` are scanned. The `stored` ones are listed and copied. Where a row changes from zeros to non-zeros
    and back the scan guesses wrong, once for each of the `runs`. A run that the row before had is foreseen.

    Examples
    --------
    >>> p = {"t0": 1e-6, "element": 1e-9, "entry": 2e-9, "run": 1e-8}
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> shape = {"elements": 1000, "stored": 100, "runs": 10}
    >>> round(conversion_seconds(shape, p, "fp32", toy) * 1e6, 3)
    2.3
    """
    return p["t0"] + shape["elements"] * p["element"] + shape["stored"] * p["entry"] + shape["runs"] * p["run"]


def conversion(library: str, mask: Mask | RandomMask) -> dict[str, float]:
    """Return the shape of a conversion of a matrix, see `conversion_seconds`.

    Parameters
    ----------
    library : {'csr', 'bsr'}
        What stores it.
    mask : array of bool or RandomMask
        Where it holds a non-zero. Runs are counted where they differ from the row above; all rows of a block are alike.

    Examples
    --------
    >>> conversion("csr", RandomMask(128, 64, 1, 32, 0.75))
    {'elements': 8192, 'stored': 2048, 'runs': 48}
    >>> conversion("csr", RandomMask(128, 64, 64, 1, 0.75))["runs"]
    24
    """
    if isinstance(mask, RandomMask):
        elements = mask.rows * mask.columns
        blocks = elements / (mask.height * mask.width)
        runs = round(blocks * mask.sparsity * (1 - mask.sparsity))
    else:
        elements = mask.size
        begins = mask[:, 1:] & ~mask[:, :-1]
        runs = int(begins[:1].sum()) + int((begins[1:] & ~begins[:-1]).sum())
    return {"elements": elements, "stored": stored_elements(library, mask), "runs": max(1, runs)}
