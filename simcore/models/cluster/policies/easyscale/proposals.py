"""EasyScale's intra-job step: which placements a job may ask for, and what each is worth, in closed form.

A job of maxP = P threads (ESTs) runs on n_g GPUs of type g with A_g threads on each. With ``C_g = t_ref / t_g``, the
speed of a GPU relative to the reference type, a placement's speed-up over one reference GPU that runs all P threads is
``P / max_{g used} (A_g / C_g)``, and its waste ``1 - speedup / sum_g n_g C_g``. This equals the overload-factor
formula of EasyScale (SC'23) to rounding. A placement on one type has ``A = ceil(P / n)``; the published code then
claims ``speedup = n C`` and no waste.

Where the last thread of a GPU takes L times as long as another, a step of A threads takes A - 1 + L of them. Then
``E_g(A) = P (A - 1 + L_g) / (P - 1 + L_g)`` stands in place of A, which is A itself for L = 1. C_g compares GPUs that
run all P threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.overheads import step_seconds
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.ties import TOLERANCE, descending_ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 4_000_000
"""Placements of a job at most, and of all jobs that are kept for later: 1 GB while they are found, then 300 MB.

A job of 1,024 threads on three GPU types has 1.1 million.
"""


class TooManyPlacements(Exception):
    """A job has more than `MOST` placements."""


@dataclass(frozen=True)
class Proposals:
    """Placements that a job may ask for, the best first.

    Attributes
    ----------
    gpus : array of int, shape (K, G)
        n_g: GPUs of each type.
    threads : array of int, shape (K, G)
        A_g: threads on each GPU of a type; a type without GPUs may carry threads under ``assignment='worst'``.
    speedup : array of float, shape (K,)
        Relative to one reference GPU.
    waste : array of float, shape (K,)
        Share of the GPUs' capability that is lost.
    sizes : array of int, shape (K,)
        GPUs of all types.
    """

    gpus: Ints
    threads: Ints
    speedup: Floats
    waste: Floats
    sizes: Ints


def proposals(
    max_parallelism: int,
    capability: tuple[float, ...],
    counts: tuple[int, ...],
    assignment: str,
    single_type_speedup: str,
    last: tuple[float, ...] | None = None,
) -> Proposals:
    """Return all placements of a job with their thread assignment, by descending speed-up.

    Parameters
    ----------
    max_parallelism : int
        P, at least 1.
    capability : tuple of float, length G
        C_g, relative to the reference type, of a GPU that runs all threads.
    counts : tuple of int, length G
        GPUs of each type in the cluster; 0 for a type that the job may not use. Free GPUs play no part.
    assignment : {'worst', 'best'}
        See `Rules`.
    single_type_speedup : {'linear', 'exact'}
        See `Rules`.
    last : tuple of float, length G, optional
        L_g: the last thread of a GPU over the others; 1 by default.

    Raises
    ------
    TooManyPlacements
        If there are more than `MOST`.

    Notes
    -----
    The list is ordered by each placement's best speed-up; ties (1e-12 relative) put more GPUs first, then more GPUs
    of the types in the cluster's order, then larger thread numbers. Under ``assignment='worst'`` the values of the
    last entry of a placement replace those of its first, as in the published code: of the assignments that share the
    lowest speed-up the one with the fewest threads, so that no thread of a GPU type without GPUs slows the step where
    that can be helped.

    Examples
    --------
    >>> placements = proposals(4, (2.0, 1.0), (4, 4), "best", "exact")
    >>> placements.gpus[0].tolist(), placements.threads[0].tolist(), float(placements.speedup[0])
    ([4, 0], [1, 0], 8.0)
    >>> placements.gpus[-1].tolist(), float(placements.speedup[-1])
    ([0, 1], 1.0)
    """
    ends = np.ones(len(counts)) if last is None else np.asarray(last)
    candidate = _candidates(max_parallelism, capability, counts, ends)
    index, gpus = _minimal_covers(max_parallelism, candidate, counts)
    gpus, threads = np.asfortranarray(gpus), np.asfortranarray(candidate[index])  # worked on column by column
    power = np.asarray(capability)
    used = gpus > 0
    load = np.where(used, _seeming(threads, max_parallelism, ends) / power, 0.0).max(axis=1)
    speedup = max_parallelism / load
    total = gpus @ power
    single = used.sum(axis=1) == 1
    number = gpus.sum(axis=1)
    rounds = -(-max_parallelism // number)
    threads = np.where(single[:, None], np.where(used, rounds[:, None], 0), threads)
    own_end = np.where(used, ends, 0.0).max(axis=1)  # of a placement on one type
    if single_type_speedup == "linear":
        # an equal share of threads, whole or not, and a last one for each GPU; without overheads a factor of 1
        shares = max_parallelism - number + number * own_end
        claimed = total * (step_seconds(max_parallelism, 1.0, own_end) / shares)
    else:
        claimed = total * max_parallelism / (_seeming(rounds, max_parallelism, own_end) * number)
    speedup = np.where(single, claimed, speedup)
    waste = np.where(single & (single_type_speedup == "linear"), 0.0, 1.0 - speedup / total)
    if assignment == "best":
        threads = np.where(used, threads, 0)
    placement = _codes(np.column_stack((number, gpus)))
    order = np.lexsort((-_codes(threads), -placement, descending_ranks(speedup)))
    first, final = _first_and_last(placement[order])
    rows = order[first] if assignment == "best" else order[final]
    return Proposals(gpus[rows], threads[rows], speedup[rows], waste[rows], number[rows])


def _seeming(threads: Ints, max_parallelism: int, last: Floats) -> Floats:
    """Return ``E(A) = P (A - 1 + L) / (P - 1 + L)``: A threads as a share of a step of all P."""
    seeming: Floats = max_parallelism * step_seconds(threads, 1.0, last) / step_seconds(max_parallelism, 1.0, last)
    return seeming


def _codes(rows: Ints) -> Ints:
    """Return a number for each row, in the order of the rows: the first column counts most."""
    sizes = [int(column.max(initial=0)) + 1 for column in rows.T]
    if math.prod(sizes) >= 2**62:
        inverse: Ints = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        return inverse
    codes = np.zeros(len(rows), dtype=np.int64)
    for column, size in zip(rows.T, sizes, strict=True):
        codes = codes * size + column
    return codes


def _first_and_last(codes: Ints) -> tuple[Ints, Ints]:
    """Return where each code stands first and last, in the order of its first place."""
    by_code = np.argsort(codes, kind="stable")
    new = np.append(True, codes[by_code][1:] != codes[by_code][:-1])
    first, last = by_code[new], by_code[np.append(new[1:], True)]
    position = np.argsort(first)
    return first[position], last[position]


_kept: dict[tuple[Any, ...], Proposals] = {}


def for_rules(
    max_parallelism: int,
    capability: tuple[float, ...],
    counts: tuple[int, ...],
    rules: Rules,
    last: tuple[float, ...] | None = None,
) -> Proposals:
    """Return `proposals` under a rule set; those that were asked for last are kept, up to `MOST` in all."""
    asked = (max_parallelism, capability, counts, rules.assignment, rules.single_type_speedup, last)
    found = _kept.pop(asked, None)
    if found is None:
        found = proposals(*asked)
        while _kept and sum(len(each.sizes) for each in _kept.values()) + len(found.sizes) > MOST:
            del _kept[next(iter(_kept))]
    _kept[asked] = found  # the last, which is forgotten last
    return found


def _candidates(max_parallelism: int, capability: tuple[float, ...], counts: tuple[int, ...], last: Floats) -> Ints:
    """Thread vectors A worth trying, shape (K, G): balanced ones, of all types or some, and single types.

    For every multiplier m = 1..P, each combination of floor(m C_g) and ceil(m C_g), kept on every subset of at least
    two types unless all kept values exceed P; and A_g = m alone for each type. Where last threads take longer, the A_g
    of which ``E_g(A_g) = m C_g`` are rounded.
    """
    present = [g for g, count in enumerate(counts) if count]
    multiples = np.arange(1, max_parallelism + 1)
    vectors = []
    for g in present:
        alone = np.zeros((max_parallelism, len(counts)), dtype=np.int64)
        alone[:, g] = multiples
        vectors.append(alone)
    scaled = multiples[:, None] * np.asarray(capability)
    whole = step_seconds(max_parallelism, 1.0, last)
    scaled = np.maximum(scaled * (whole / max_parallelism) + (1.0 - last), 0.0)
    # where m C is a whole number, rounding must not make floor and ceil its neighbours
    sides = (np.floor(scaled * (1.0 + TOLERANCE)), np.ceil(scaled * (1.0 - TOLERANCE)))
    for subset in (s for size in range(2, len(present) + 1) for s in combinations(present, size)):
        for choice in product((0, 1), repeat=len(subset)):
            threads = np.zeros((max_parallelism, len(counts)), dtype=np.int64)
            for g, side in zip(subset, choice, strict=True):
                threads[:, g] = sides[side][:, g].astype(np.int64)
            some_fit = (threads[:, subset] <= max_parallelism).any(axis=1)
            vectors.append(threads[some_fit & (threads.sum(axis=1) > 0)])
    return np.unique(np.concatenate(vectors), axis=0)


def _minimal_covers(max_parallelism: int, candidates: Ints, counts: tuple[int, ...]) -> tuple[Ints, Ints]:
    """GPU numbers that just cover P threads: ``sum n A >= P``, but not without one GPU of the fewest threads.

    Returns
    -------
    index : array of int, shape (M,)
        Candidate of each placement.
    gpus : array of int, shape (M, G)
        n_g.
    """
    # the closed form walks from the type with the most threads per GPU to the one with the fewest
    by_size = np.argsort(-candidates, axis=1, kind="stable")
    threads = np.take_along_axis(candidates, by_size, axis=1)
    limits = np.where(threads > 0, np.asarray(counts)[by_size], 0)
    index = np.arange(len(candidates))
    covered = np.zeros(len(candidates), dtype=np.int64)
    chosen = np.zeros_like(candidates)
    indices, numbers = [], []
    for level in range(len(counts)):
        step = np.maximum(threads[index, level], 1)
        limit = limits[index, level]
        closing = -(-(max_parallelism - covered) // step)  # at least 1: every prefix covers less than P
        closes = closing <= limit
        closed = chosen[closes]
        closed[:, level] = closing[closes]
        indices.append(index[closes])
        numbers.append(closed)
        if level + 1 == len(counts):
            break
        # a prefix that no further type can close is no placement: its numbers are not written out
        goes_on = limits[index, level + 1] > 0
        index, covered, chosen, limit, step = (a[goes_on] for a in (index, covered, chosen, limit, step))
        most = np.minimum(limit, (max_parallelism - 1 - covered) // step)
        repeats = most + 1
        if repeats.sum() > MOST:
            raise TooManyPlacements
        number = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        index, covered, chosen = (np.repeat(a, repeats, axis=0) for a in (index, covered, chosen))
        covered = covered + number * threads[index, level]
        chosen[:, level] = number
    index = np.concatenate(indices)
    sorted_gpus = np.concatenate(numbers)
    gpus = np.zeros_like(sorted_gpus)
    np.put_along_axis(gpus, by_size[index], sorted_gpus, axis=1)
    return index, gpus
