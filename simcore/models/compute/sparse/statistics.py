"""What is known of a mask before it is there: zeros in blocks, lengths, tokens of experts, and who attends to whom.

A statistic stands for all masks that share its numbers. Each gives its numbers in closed form, and each can make a real
mask, on which the numbers are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.models.compute.sparse.masks import Mask, RandomMask

Operand = Literal["a", "b", "c"]
"""A matrix of the product C = A B. Of a sparse C only what the mask keeps is wanted."""


@dataclass(frozen=True)
class Zeros:
    """Blocks of zeros in one operand of a product, each zero with one probability.

    Attributes
    ----------
    height, width : int
        Granularity: rows and columns of a block [elements].
    sparsity : float
        Probability that a block is zero, 0 to 1.
    operand : {'a', 'b', 'c'}
        Which matrix is sparse: activations are A, weights are B.
    indexed : bool
        Whether the product must find the non-zeros; a gradient uses what the forward pass found.

    Raises
    ------
    InputError
        If a size is below one or the sparsity is outside 0 to 1.

    Examples
    --------
    >>> Zeros(32, 64, 0.9).mask(768, 3072).sparsity
    0.9
    """

    height: int
    width: int
    sparsity: float
    operand: Operand = "b"
    indexed: bool = True

    def __post_init__(self) -> None:
        RandomMask(1, 1, self.height, self.width, self.sparsity)  # refuses what is impossible

    def mask(self, rows: int, columns: int) -> RandomMask:
        """Return the random mask of a matrix of this shape [elements]."""
        return RandomMask(rows, columns, self.height, self.width, self.sparsity)

    def turned(self, operand: Operand) -> Zeros:
        """Return the zeros of the transposed matrix as another operand.

        Examples
        --------
        >>> Zeros(32, 1, 0.9).turned("a")
        Zeros(height=1, width=32, sparsity=0.9, operand='a', indexed=True)
        """
        return replace(self, height=self.width, width=self.height, operand=operand)


@dataclass(frozen=True)
class Lengths:
    """How long the sequences of a batch are, which are padded to one length.

    Attributes
    ----------
    counts : tuple of (int, int)
        Length [tokens] and how many sequences have it, by length, each length once.
    longest : int
        Length that all are padded to [tokens].

    Raises
    ------
    InputError
        If there is no sequence, or a length is below one, above the longest, or there twice.

    Examples
    --------
    >>> some = Lengths(((10, 3), (128, 1)), 128)
    >>> some.sequences, some.valid, some.share
    (4, 158, 0.30859375)
    """

    counts: tuple[tuple[int, int], ...]
    longest: int

    def __post_init__(self) -> None:
        if not self.counts:
            raise InputError("lengths", "no sequences", "at least one")
        seen: set[int] = set()
        for length, number in self.counts:
            if not 1 <= length <= self.longest:
                remedy = "Cut the sequence, or pad to more tokens."
                raise InputError("lengths", f"a length of {length}", f"1 to {self.longest} tokens", remedy)
            if number < 1:
                raise InputError("lengths", f"{number} sequences of length {length}", "at least one", "Leave it out.")
            if length in seen:
                raise InputError("lengths", f"length {length} twice", "each length once", "Add the counts up.")
            seen.add(length)

    @classmethod
    def of(cls, lengths: Sequence[int], longest: int) -> Lengths:
        """Return the statistic of some sequences.

        Parameters
        ----------
        lengths : sequence of int
            Tokens of each sequence.
        longest : int
            Length that all are padded to [tokens].
        """
        return cls(tuple(sorted(Counter(int(one) for one in lengths).items())), longest)

    @classmethod
    def drawn(cls, share: float, sequences: int, longest: int, seed: int = 0) -> Lengths:
        """Draw lengths from a log-normal distribution, cut at the longest, whose tokens fill a share of the batch.

        Nobody published them: they stand in where a histogram is not at hand. The spread of the logarithm is 0.6.

        Parameters
        ----------
        share : float
            Of the positions that hold a token, 0 to 1.
        sequences : int
            How many.
        longest : int
            Length that all are padded to [tokens].
        seed : int
            Of the distribution.

        Examples
        --------
        >>> round(Lengths.drawn(0.25, 32, 128).share, 2)
        0.25
        """
        normal = np.random.default_rng(np.random.SeedSequence(seed)).standard_normal(sequences)

        def cut(scale: float) -> NDArray[np.float64]:
            return np.clip(np.rint(scale * np.exp(0.6 * normal)), 1, longest)

        low, high = 0.0, 1e3 * longest
        for _ in range(60):  # the mean grows with the scale
            middle = (low + high) / 2
            low, high = (low, middle) if cut(middle).mean() >= share * longest else (middle, high)
        return cls.of([int(one) for one in cut(high)], longest)

    @property
    def sequences(self) -> int:
        """Sequences of the batch."""
        return sum(number for _, number in self.counts)

    @property
    def valid(self) -> int:
        """Positions that hold a token."""
        return sum(length * number for length, number in self.counts)

    @property
    def share(self) -> float:
        """Share of the positions that hold a token, 0 to 1."""
        return self.valid / (self.sequences * self.longest)

    @property
    def each(self) -> list[int]:
        """Length of each sequence, shortest first [tokens]."""
        return [length for length, number in self.counts for _ in range(number)]

    def of_batch(self, sequences: int) -> Lengths:
        """Return a batch of so many sequences whose lengths are spread as here.

        Counts are rounded so that they add up: the largest rests first, the shorter length where rests are equal.

        Examples
        --------
        >>> Lengths(((10, 30), (20, 10)), 32).of_batch(8).counts
        ((10, 6), (20, 2))
        """
        exact = [number * sequences / self.sequences for _, number in self.counts]
        whole = [math.floor(one) for one in exact]
        by_rest = sorted(range(len(exact)), key=lambda at: (whole[at] - exact[at], at))
        for at in by_rest[: sequences - sum(whole)]:
            whole[at] += 1
        counts = ((length, number) for (length, _), number in zip(self.counts, whole, strict=True) if number)
        return Lengths(tuple(counts), self.longest)

    def mask(self) -> Mask:
        """Return which positions hold a token, of shape (sequences, longest)."""
        valid: Mask = np.arange(self.longest)[None, :] < np.array(self.each)[:, None]
        return valid


@dataclass(frozen=True)
class Routing:
    """How many tokens each expert has.

    Attributes
    ----------
    tokens : tuple of int
        Tokens of each expert, 0 for one that has none.

    Raises
    ------
    InputError
        If there is no expert, a number is negative, or all are 0.

    Examples
    --------
    >>> Routing((3, 0, 5)).tiles(4), Routing((3, 0, 5)).fullest
    (3, 5)
    """

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.tokens, default=-1) < 0 or not sum(self.tokens):
            found = "no experts" if not self.tokens else ", ".join(map(str, self.tokens[:8]))
            raise InputError("routing", found, "a number of tokens of each expert, at least one above 0")

    @property
    def routed(self) -> int:
        """Tokens of all experts."""
        return sum(self.tokens)

    @property
    def fullest(self) -> int:
        """Tokens of the expert that has most."""
        return max(self.tokens)

    def tiles(self, rows: int) -> int:
        """Return the row blocks of all experts: the sum of ceil(T_e / BM).

        Parameters
        ----------
        rows : int
            Rows of a block, BM.
        """
        return sum(-(-one // rows) for one in self.tokens)

    def mask(self) -> Mask:
        """Return which expert each token goes to, of shape (tokens, experts); those of one expert follow each other."""
        chosen = np.repeat(np.arange(len(self.tokens)), self.tokens)
        mask: Mask = chosen[:, None] == np.arange(len(self.tokens))[None, :]
        return mask


@dataclass(frozen=True)
class Window:
    """Attention to the tokens around each token, and to and from the first ones, as in Longformer.

    Attributes
    ----------
    window : int
        Tokens that a query sees around itself: half of them to either side, and itself.
    ahead : int
        Global tokens: the first ones, which see all and are seen by all.

    Raises
    ------
    InputError
        If a number is negative.

    Examples
    --------
    >>> Window(4, 1).kept(8, 2)
    (8, 6, 7, 5)
    """

    window: int
    ahead: int = 0

    def __post_init__(self) -> None:
        for name in ("window", "ahead"):
            if getattr(self, name) < 0:
                raise InputError(f"window, {name}", str(getattr(self, name)), "0 or more tokens")

    def columns(self, sequence: int) -> int:
        """Return the keys of the mask: the tokens."""
        return sequence

    def kept(self, sequence: int, block: int) -> tuple[int, ...]:
        """Return how many keys the queries of each row block see together: the micro-tiles of the k-axis.

        Parameters
        ----------
        sequence : int
            Tokens.
        block : int
            Queries in a row block.
        """
        half, found = self.window // 2, []
        for start in range(0, sequence, block):
            low, high = max(start - half, 0), min(start + block - 1, sequence - 1) + half + 1
            near = min(high, sequence) - low
            found.append(sequence if start < self.ahead else near + min(self.ahead, low))
        return tuple(found)

    def mask(self, sequence: int) -> Mask:
        """Return which keys each query sees, of shape (sequence, sequence)."""
        at = np.arange(sequence)
        near = np.abs(at[:, None] - at[None, :]) <= self.window // 2
        mask: Mask = near | (at[:, None] < self.ahead) | (at[None, :] < self.ahead)
        return mask


@dataclass(frozen=True)
class Bars:
    """Fine attention to the tokens of related bars, and coarse attention to a summary of each other bar before.

    Museformer's attention (Yu et al., NeurIPS 2022). A summary is a further key, behind those of the tokens.

    Attributes
    ----------
    bar : int
        Tokens of a bar.
    related : tuple of int
        How many bars before its own a query sees token by token.

    Raises
    ------
    InputError
        If a number is below one.

    Examples
    --------
    >>> Bars(4, (1, 2)).kept(16, 4)
    (4, 8, 12, 13)
    """

    bar: int
    related: tuple[int, ...] = (1, 2, 4, 8, 12, 16, 24, 32)

    def __post_init__(self) -> None:
        for one in (self.bar, *self.related):
            if one < 1:
                raise InputError("bars", str(one), "numbers of at least 1")

    def columns(self, sequence: int) -> int:
        """Return the keys of the mask: the tokens, and a summary of each bar."""
        return sequence + -(-sequence // self.bar)

    def kept(self, sequence: int, block: int) -> tuple[int, ...]:
        """Return how many keys the queries of each row block see together, summaries among them.

        Parameters
        ----------
        sequence : int
            Tokens.
        block : int
            Queries in a row block.
        """
        found = []
        for start in range(0, sequence, block):
            stop = min(start + block, sequence)
            first, last = start // self.bar, (stop - 1) // self.bar
            bars = range(first, last + 1)
            fine = {each - back for each in bars for back in self.related if each >= back} | set(range(first, last))
            coarse = {other for each in bars for other in range(each) if each - other not in self.related}
            own = 0 if last in fine else stop - last * self.bar
            found.append(len(fine) * self.bar + own + len(coarse))
        return tuple(found)

    def mask(self, sequence: int) -> Mask:
        """Return which keys each query sees, of shape (sequence, sequence + bars)."""
        at = np.arange(sequence)
        back = at[:, None] // self.bar - at[None, :] // self.bar
        fine = ((back == 0) & (at[None, :] <= at[:, None])) | np.isin(back, self.related)
        bars = at[:, None] // self.bar - np.arange(-(-sequence // self.bar))[None, :]
        mask: Mask = np.hstack([fine, (bars > 0) & ~np.isin(bars, self.related)])
        return mask


Pattern = Window | Bars
"""Who attends to whom."""
