"""Linear programs, by HiGHS through scipy: the only place that calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError

Array = NDArray[np.float64]

_SOLVED, _INFEASIBLE = 0, 2
#: The simplex method can go round in circles; programs here take some hundred steps.
_ITERATIONS = 20_000
# Presolve costs more than it saves on programs this small. Where the tight tolerances cannot be met, the usual ones
# serve: whatever is built on a solution here checks it anew. Where the simplex method ends without a status, as it can
# where a program is infeasible by little, the interior point method, which ends at a vertex too, mostly has one.
_ATTEMPTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("highs-ds", {"presolve": False, "primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}),
    ("highs-ds", {"presolve": True}),
    ("highs-ipm", {"presolve": True}),
)


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved linear program.

    Attributes
    ----------
    x : ndarray
        The minimiser.
    duals : ndarray
        One per row: how much the objective falls per unit that the right-hand side rises.
    """

    x: Array
    duals: Array


def linear_program(
    cost: Array, rows: Array, rhs: Array, equal: NDArray[np.bool_], low: Array, high: Array
) -> Solution | None:
    """Minimise ``cost . x`` subject to ``rows x <= rhs`` (``=`` where `equal`) and ``low <= x <= high``.

    Returns
    -------
    Solution or None
        None where no x satisfies all rows.

    Raises
    ------
    RunError
        If the solver stops for any other reason.

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> solution = linear_program(np.array([1.0, 2.0]), one, np.ones(1), np.array([True]), np.zeros(2), np.ones(2))
    >>> solution.x.tolist(), solution.duals.tolist()
    ([1.0, 0.0], [-1.0])
    """
    from scipy.optimize import linprog

    solve: Any = linprog  # its stubs take no arrays of bounds
    some, all_of = bool(equal.any()), bool(equal.all())
    attempt: Any = None
    for method, options in _ATTEMPTS:
        attempt = solve(
            cost,
            A_ub=None if all_of else rows[~equal],
            b_ub=None if all_of else rhs[~equal],
            A_eq=rows[equal] if some else None,
            b_eq=rhs[equal] if some else None,
            bounds=np.column_stack([low, high]),
            method=method,
            options={**options, "maxiter": _ITERATIONS},
        )
        if attempt.status == _INFEASIBLE:
            return None
        if attempt.status == _SOLVED:
            break
    else:
        raise RunError(f"the linear program solver stopped without an optimum: {attempt.message}")
    duals = np.zeros(len(rhs))
    if not all_of:
        duals[~equal] = -np.asarray(attempt.ineqlin.marginals)
    if some:
        duals[equal] = -np.asarray(attempt.eqlin.marginals)
    return Solution(np.asarray(attempt.x), duals)
