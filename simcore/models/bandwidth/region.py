"""The bandwidths that a plan may choose from: a budget, a floor, caps, minima and linear constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, RunError
from simcore.models.bandwidth.linear import linear_program

Array = NDArray[np.float64]

#: Least bandwidth of a dimension, as a share of the budget: a dimension of 0 B/s would take forever.
FLOOR = 1e-6
FLOOR_TEXT = "1e-6 of the budget"


class Sense(StrEnum):
    """How a constraint compares its two sides."""

    AT_MOST = "<="
    EQUAL = "="


@dataclass(frozen=True)
class Constraint:
    """A linear constraint ``coefficients . b <= bound`` or ``= bound``.

    Attributes
    ----------
    name : str
        As the user wrote it, for messages.
    coefficients : tuple of float
        One per dimension, innermost first.
    sense : Sense
        Which comparison.
    bound : float
        Right-hand side [B/s].
    """

    name: str
    coefficients: tuple[float, ...]
    sense: Sense
    bound: float


def cap(dimension: int, bound: float, dimensions: int, name: str) -> Constraint:
    """Return the constraint that a dimension (counted from 0) has at most `bound` [B/s]."""
    return Constraint(name, _unit(dimension, dimensions, 1.0), Sense.AT_MOST, bound)


def minimum(dimension: int, bound: float, dimensions: int, name: str) -> Constraint:
    """Return the constraint that a dimension (counted from 0) has at least `bound` [B/s]."""
    return Constraint(name, _unit(dimension, dimensions, -1.0), Sense.AT_MOST, -bound)


def _unit(dimension: int, dimensions: int, value: float) -> tuple[float, ...]:
    return tuple(value if i == dimension else 0.0 for i in range(dimensions))


@dataclass(frozen=True, eq=False)
class Region:
    """The polyhedron ``lower <= b <= upper``, ``rows b <= rhs`` (``=`` where `equal`).

    The budget is row 0. Constraints on one dimension alone live in the bounds, which are always finite.

    Attributes
    ----------
    budget : float
        Total bandwidth of one NPU [B/s].
    lower, upper : ndarray, shape (D,)
        Bounds [B/s].
    rows : ndarray, shape (M, D)
        Coefficients.
    rhs : ndarray, shape (M,)
        Right-hand sides [B/s].
    equal : ndarray of bool, shape (M,)
        Which rows are equalities.
    constraints : tuple of Constraint
        Everything the region was made of, the budget first.
    """

    budget: float
    lower: Array
    upper: Array
    rows: Array
    rhs: Array
    equal: NDArray[np.bool_]
    constraints: tuple[Constraint, ...]

    @property
    def dimensions(self) -> int:
        """Number of dimensions."""
        return len(self.lower)

    def with_row(self, coefficients: Array, bound: float, *, equal: bool) -> Region:
        """Return the region with one more row, the last; its bounds stay as they are."""
        return Region(
            self.budget,
            self.lower,
            self.upper,
            np.vstack([self.rows, coefficients]),
            np.append(self.rhs, bound),
            np.append(self.equal, equal),
            self.constraints,
        )

    def with_cost(self, prices: Array, cost: float) -> tuple[Region, float]:
        """Return the region at a network cost [$], and by how much less the budget's dual is there than here per $.

        Where the whole budget is spent, its share at the mean price is taken off the cost. Prices that are nearly equal
        would make the cost a second budget, which no solver tells from the first.
        """
        mean = float(prices.mean()) if self.equal[0] else 0.0
        return self.with_row(prices - mean, cost - mean * float(self.rhs[0]), equal=True), mean

    def loosened(self, index: int, by: float) -> Region:
        """Return the region with the bound of one of its constraints raised, and that constraint as a row.

        The budget stays row 0, any other constraint becomes the last row. No bound is implied by others here, so that
        the multipliers of the constraints stand in their own rows.
        """
        if index == 0:
            loose = _region(self.constraints, self.budget, implied=False)
            return replace(loose, rhs=loose.rhs + by * (np.arange(len(loose.rhs)) == 0))
        one = self.constraints[index]
        rest = _region(self.constraints[:index] + self.constraints[index + 1 :], self.budget, implied=False)
        return rest.with_row(np.array(one.coefficients), one.bound + by, equal=one.sense is Sense.EQUAL)

    def with_bounds(self, lower: Array, upper: Array) -> Region:
        """Return the region with other bounds."""
        return Region(self.budget, lower, upper, self.rows, self.rhs, self.equal, self.constraints)

    def least(self, prices: Array) -> tuple[Array, float]:
        """Return the point of least ``prices . b``, and a bound on that product which its duals prove."""
        unit = float(np.abs(prices).max()) or 1.0
        budget = self.budget
        solution = linear_program(
            prices / unit, self.rows, self.rhs / budget, self.equal, self.lower / budget, self.upper / budget
        )
        if solution is None:
            raise RunError("the solver calls the constraints infeasible although they can be met")
        duals = unit * np.where(self.equal, solution.duals, np.maximum(solution.duals, 0.0))
        reduced = prices + duals @ self.rows
        bound = np.minimum(reduced * self.lower, reduced * self.upper).sum() - duals @ self.rhs
        return self.repair(solution.x * budget), float(bound)

    def repair(self, b: Array) -> Array:
        """Move a point that is feasible up to a solver's tolerance onto the region, as far as rounding allows."""
        b = np.clip(b, self.lower, self.upper)
        for _ in range(3):
            excess = self.rows @ b - self.rhs
            broken = np.where(self.equal, excess != 0, excess > 0)
            free = (b > self.lower) & (b < self.upper)
            if not broken.any() or not free.any():
                break
            # scaled by b, so that a small bandwidth keeps its relative precision
            step = np.linalg.lstsq(self.rows[np.ix_(broken, free)] * b[free], -excess[broken], rcond=1e-12)[0]
            b = b.copy()
            b[free] *= 1 + step
            b = np.clip(b, self.lower, self.upper)
        return b

    def violation(self, b: Array) -> float:
        """Return by how much a point breaks the region at worst, as a share of the budget."""
        excess = self.rows @ b - self.rhs
        excess = np.where(self.equal, np.abs(excess), excess) / np.maximum(np.abs(self.rows).max(axis=1), 1e-300)
        return float(max(excess.max(), (self.lower - b).max(), (b - self.upper).max(), 0.0) / self.budget)


def make_region(
    budget: float, dimensions: int, constraints: Sequence[Constraint] = (), *, at_most: bool = False
) -> Region:
    """Build the region of a budget and the user's constraints.

    Parameters
    ----------
    budget : float
        Total bandwidth of one NPU [B/s].
    dimensions : int
        Dimensions of the network.
    constraints : sequence of Constraint
        Caps, minima and linear constraints.
    at_most : bool
        Whether the budget may be left in part.

    Raises
    ------
    InputError
        If no split satisfies all constraints; the message names a smallest set of them that conflict.
    """
    total = Constraint(
        f"a budget of {'at most ' if at_most else ''}{budget / 1e9:g} GB/s",
        (1.0,) * dimensions,
        Sense.AT_MOST if at_most else Sense.EQUAL,
        budget,
    )
    everything = (total, *constraints)
    if not _feasible(everything, budget, dimensions):
        raise _refusal(_conflict(everything, budget, dimensions), budget, dimensions)
    return _region(everything, budget, implied=True)


def _region(constraints: tuple[Constraint, ...], budget: float, *, implied: bool) -> Region:
    """Sort constraints, the budget first, into bounds and rows; bounds that the budget implies are as good as given."""
    dimensions = len(constraints[0].coefficients)
    lower, upper = np.full(dimensions, FLOOR * budget), np.full(dimensions, 2 * budget)
    rows = [constraints[0]]
    for constraint in constraints[1:]:
        i = _alone(constraint)
        if i is None:
            rows.append(constraint)
            continue
        value = constraint.bound / constraint.coefficients[i]
        if constraint.coefficients[i] > 0 or constraint.sense is Sense.EQUAL:
            upper[i] = min(upper[i], value)
        if constraint.coefficients[i] < 0 or constraint.sense is Sense.EQUAL:
            lower[i] = max(lower[i], value)
    if implied:
        upper = np.minimum(upper, budget - (lower.sum() - lower))
    return Region(
        budget,
        np.minimum(lower, upper),  # equal up to rounding, because the region is not empty
        upper,
        np.array([row.coefficients for row in rows]),
        np.array([row.bound for row in rows]),
        np.array([row.sense is Sense.EQUAL for row in rows]),
        constraints,
    )


def _alone(constraint: Constraint) -> int | None:
    """Return the one dimension (from 0) that a constraint is about, or None."""
    used = [i for i, value in enumerate(constraint.coefficients) if value]
    return used[0] if len(used) == 1 else None


def _refusal(guilty: Sequence[Constraint], budget: float, dimensions: int) -> InputError:
    """Name a smallest conflicting set, and what takes part in it unsaid: that no bandwidth is below the floor."""
    names = [constraint.name for constraint in guilty]
    expected, remedy = "constraints that one split can satisfy together", "Relax or remove one of them."
    if _feasible(guilty, budget, dimensions, floor=0.0):
        names.append(f"the floor of {FLOOR * budget / 1e9:.6g} GB/s in each dimension ({FLOOR_TEXT})")
        remedy = "A dimension of 0 B/s would take forever: allow the floor, or leave the dimension out of the network."
    elif _feasible(guilty, budget, dimensions, floor=-np.inf):
        names.append("that no bandwidth is below 0")
    return InputError("constraints", f"{' and '.join(names)}, which conflict", expected, remedy)


def _feasible(constraints: Sequence[Constraint], budget: float, dimensions: int, floor: float = FLOOR) -> bool:
    """Tell whether some b of at least the floor satisfies all constraints, by a linear program without objective."""
    solution = linear_program(
        np.zeros(dimensions),
        np.array([constraint.coefficients for constraint in constraints]).reshape(-1, dimensions),
        np.array([constraint.bound for constraint in constraints]) / budget,
        np.array([constraint.sense is Sense.EQUAL for constraint in constraints], dtype=bool),
        np.full(dimensions, floor),
        np.full(dimensions, np.inf),
    )
    return solution is not None


def _conflict(constraints: Sequence[Constraint], budget: float, dimensions: int) -> list[Constraint]:
    """Return a smallest conflicting set: leave out, one after the other, whatever the conflict does not need."""
    kept = list(constraints)
    for constraint in constraints:
        without = [other for other in kept if other is not constraint]
        if not _feasible(without, budget, dimensions):
            kept = without
    return kept
