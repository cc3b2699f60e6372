"""Experts and packed sequences: each is a list of GEMMs, gathers, scatters and fills, whose predicted times are added.

``moe-loop``, ``moe-padded`` and ``moe-grouped`` send tokens to experts. ``sequence-padded`` and ``sequence-packed``
send sequences of different lengths through a linear layer. None of them has a formula of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from simcore.models.compute.device import DTYPES
from simcore.models.compute.predict import as_wide, predict
from simcore.models.compute.profile import KernelProfile

Part = tuple[str, dict[str, float]]
"""A kernel and its shape."""

COMPOSED = ("moe-loop", "moe-padded", "moe-grouped", "sequence-padded", "sequence-packed")
"""Kernels that are sums of others."""


def tokens_of(tokens: int, experts: int, skew: float) -> list[int]:
    """Return the number of tokens of each expert.

    The e-th most popular expert is chosen in proportion to ``e ** -skew``. Counts are rounded so that they add up.

    Parameters
    ----------
    tokens, experts : int
        How many there are.
    skew : float
        0 spreads tokens evenly, 1 is Zipf's law.

    Examples
    --------
    >>> tokens_of(10, 4, 0), tokens_of(11, 3, 1)
    ([3, 3, 2, 2], [6, 3, 2])
    """
    weights = [(place + 1) ** -skew for place in range(experts)]
    shares = [tokens * weight / math.fsum(weights) for weight in weights]
    tokens_each = [math.floor(share) for share in shares]
    by_rest = sorted(range(experts), key=lambda place: tokens_each[place] - shares[place])
    for place in by_rest[: tokens - sum(tokens_each)]:
        tokens_each[place] += 1
    return tokens_each


def parts(kernel: str, dtype: str, shape: Mapping[str, float]) -> list[Part]:
    """Return the kernels that experts or sequences run, one after another.

    Parameters
    ----------
    kernel : str
        One of `COMPOSED`.
    dtype : str
        Number format.
    shape : mapping of str to float
        ``inner`` and ``outer`` features. Experts also have ``tokens``, ``experts`` and ``skew`` (see `tokens_of`).
        Sequences also have ``batch``, ``longest`` and ``valid``, the number of positions that hold a token.

    Examples
    --------
    >>> shape = {"batch": 4, "longest": 8, "valid": 20, "inner": 64, "outer": 32}
    >>> [name for name, _ in parts("sequence-packed", "fp32", shape)]
    ['gather', 'gemm', 'copy', 'scatter']
    """
    e, inner, outer = DTYPES[dtype], shape["inner"], shape["outer"]

    def gemm(rows: float, batch: float = 1) -> Part:
        return "gemm", {"m": rows, "n": outer, "k": inner, "batch": batch}

    def gather(rows: float, width: float = inner) -> Part:
        return "gather", {"rows": rows, "width": width * e}

    def scatter(rows: float, width: float = outer) -> Part:
        return "scatter", {"rows": rows, "width": width * e}

    def zeros(elements: float) -> Part:
        return "copy", {"bytes": elements * e}  # a copy of half as much moves the same bytes

    if kernel == "sequence-padded":
        return [gemm(shape["batch"] * shape["longest"])]
    if kernel == "sequence-packed":
        valid, positions = shape["valid"], shape["batch"] * shape["longest"]
        return [gather(valid), gemm(valid), zeros(positions * outer), scatter(valid)]
    tokens, experts = int(shape["tokens"]), int(shape["experts"])
    counts = [count for count in tokens_of(tokens, experts, shape["skew"]) if count]
    if kernel == "moe-padded":
        longest = max(counts)
        return [
            gather(tokens), zeros(experts * longest * inner), scatter(tokens, inner), gemm(longest, experts),
            gather(tokens, outer), zeros(tokens * outer), scatter(tokens),
        ]  # fmt: skip
    if kernel == "moe-grouped":
        return [gather(tokens), *(gemm(count) for count in counts), zeros(tokens * outer), scatter(tokens)]
    each = [(gather(count), gemm(count), scatter(count)) for count in counts]
    return [zeros(tokens * outer), *(one for three in each for one in three)]


def positions_index(positions: int, found: int) -> dict[str, float]:
    """Return the shape of ``index-sequence``, the kernel that lists the positions that hold a token.

    `parts` leaves it out. Add its time to a packed batch before comparing it with a padded one.

    Parameters
    ----------
    positions : int
        Of all sequences, padding included.
    found : int
        How many hold a token.
    """
    return {"elements": 0, "partial": 0, "micro": positions, "found": found}


def composed_seconds(profile: KernelProfile, kernel: str, dtype: str, shape: Mapping[str, float]) -> float | None:
    """Return the sum of the parts' predicted times [s]; None where the profile lacks a part.

    Parts outside the measured range are extrapolated. `t0` of a fit is the time of a first call, with cold code and
    tables. A kernel that is called again pays a launch instead of `t0`.

    Raises
    ------
    InputError
        If a size is not above 0.
    """
    launch = profile.fit("launch", "fp32")
    called: set[str] = set()
    total = 0.0
    for name, size in parts(kernel, dtype, shape):
        fit = as_wide(profile, name, dtype)
        if fit is None:
            return None
        total += predict(profile, name, dtype, size, extrapolate=True).seconds
        if name in called and launch is not None:
            total -= max(fit.parameters["t0"] - launch.parameters["node"], 0.0)
        called.add(name)
    return total
