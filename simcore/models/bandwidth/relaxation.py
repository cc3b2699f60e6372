"""Linear programs that bound the step model from below: tangents stand in for 1/b.

With ``v_i >= 1 / b_i`` the iteration time is piecewise linear. ``1 / b_i`` is bounded from below by its tangents,
``1 / b >= 2 / p - b / p**2`` for every p > 0. A tangent holds for every budget and cost, so the searches share them.
All quantities are scaled by a point near the optimum, where every variable of the program is close to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import Weights
from simcore.models.bandwidth.linear import linear_program
from simcore.models.bandwidth.region import Region
from simcore.models.training.closed_form import StepModel
from simcore.progress import tell

Array = NDArray[np.float64]

#: Tangents further than this factor from the scaling point are left out: they would only spoil the numbers.
_REACH = 1e4
#: A long search keeps these many latest tangents, and of the others one wherever the distance grows by this factor.
_LATEST, _THINNING = 24, 1.5
#: Near a split, terms that agree to this share are tied there, and moves end at this many times their size, or at half
#: of a bandwidth. Tangents stand at ever larger moves. A bandwidth that earns less than this is free.
_TIED, _REACHED, _SPREAD, _FREE = 1e-13, 1e6, 6.0, 1e-9


class Relaxation:
    """The outer approximation of a step model by tangents.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Gives the range that the first tangents cover.

    Attributes
    ----------
    tangents : list of list of float
        Tangent points of each dimension [B/s], in the order of their coming.
    solved : int
        Linear programs solved.
    """

    def __init__(self, model: StepModel, region: Region) -> None:
        self.model = model
        self.linear = model.blocking.sum(axis=0)
        self.tangents: list[list[float]] = []
        for low, high in zip(region.lower, region.upper, strict=True):
            points = high * 4.0 ** -np.arange(1 + max(0, int(np.log(high / low) / np.log(4.0))))
            self.tangents.append([*map(float, points), float(low)])
        self.solved = 0

    def add(self, b: Array) -> None:
        """Add the tangents at a point."""
        for points, value in zip(self.tangents, b, strict=True):
            points.append(float(value))

    def _near(self, dimension: int, scale: float) -> list[float]:
        """Return the tangent points that a program needs, over the scale: the latest, and ever fewer further away."""
        points = self.tangents[dimension]
        chosen = {p / scale for p in points[-_LATEST:]}
        reached = {True: 0.0, False: 0.0}
        for p in sorted((p / scale for p in points[:-_LATEST]), key=lambda p: abs(np.log(p))):
            distance, side = abs(float(np.log(p))), p > 1
            if distance >= _THINNING * reached[side]:
                chosen.add(p)
                reached[side] = distance
        return sorted(p for p in chosen if 1 / _REACH <= p <= _REACH)

    def solve(self, region: Region, scale: Array, prices: Array | None = None) -> tuple[Array, Weights] | None:
        """Minimise the relaxed time, plus what the bandwidths cost where they have prices.

        Parameters
        ----------
        region : Region
            Where to look.
        scale : ndarray, shape (D,)
            A point near the optimum [B/s].
        prices : ndarray, shape (D,), optional
            Of each bandwidth [s per B/s].

        Returns
        -------
        b : ndarray, shape (D,)
            The minimiser [B/s].
        weights : Weights
            Its duals.

        None where the solver finds the program infeasible.
        """
        size = region.dimensions
        terms, cost, unit = self._terms(scale)
        width = terms.shape[1]

        # p v + b / p >= 2, the tangent at p multiplied by p
        near = [self._near(i, float(scale[i])) for i in range(size)]
        cut_dimension = np.repeat(np.arange(size), [len(points) for points in near])
        p = np.concatenate(near)
        cuts = np.zeros((len(p), width))
        cuts[np.arange(len(p)), size + cut_dimension] = -p
        cuts[np.arange(len(p)), cut_dimension] = -1.0 / p

        own = region.rows * scale
        own_scale = np.maximum(np.abs(own).max(axis=1), 1e-300)
        own = np.pad(own / own_scale[:, None], ((0, 0), (0, width - size)))

        low, high = np.zeros(width), np.full(width, np.inf)
        if prices is not None:
            cost[:size] = prices * scale / unit
        low[:size], high[:size] = region.lower / scale, region.upper / scale
        rhs = [self._fixed(unit), np.full(len(p), -2.0), region.rhs / own_scale]
        self.solved += 1
        tell("linear programs", self.solved)
        solution = linear_program(
            cost,
            np.vstack([terms, cuts, own]),
            np.concatenate(rhs),
            np.pad(region.equal, (len(terms) + len(p), 0)),
            low,
            high,
        )
        if solution is None:
            return None
        of_terms, _, of_own = np.split(solution.duals, np.cumsum([len(terms), len(p)]))
        return solution.x[:size] * scale, self._weights(of_terms, of_own * unit / own_scale)

    def solve_near(self, region: Region, b: Array, room: Array, size: float) -> tuple[Array, Array] | None:
        """Minimise the relaxed time over the moves from a split that change bandwidths by shares of about `size`.

        The same program with its variables counted from the split, in units of `size`. The solver's tolerances are then
        shares of the move, not of the bandwidths, and the move may be as small as one pleases.

        Parameters
        ----------
        region : Region
            Where to look; its right-hand sides are not read.
        b : ndarray, shape (D,)
            A split within the bounds of the region [B/s].
        room : ndarray, shape (M,)
            By how much each row may rise over its value there [B/s]; an equality has to.
        size : float
            Shares that the move is about; nothing in the result depends on it but the precision.

        Returns
        -------
        move : ndarray, shape (D,)
            From b to the minimiser [B/s].
        multipliers : ndarray, shape (M,)
            Of the rows [s per B/s].

        None where the solver finds no such move.

        Raises
        ------
        RunError
            If the minimiser is further away than the program reaches.
        """
        dimensions = region.dimensions
        terms, cost, unit = self._terms(b)
        width = terms.shape[1]
        here = np.concatenate([np.ones(width - len(self.model.input_volume)), self._longest(b) / unit])
        slack = self._fixed(unit) - terms[:, dimensions:] @ here[dimensions:]
        slack = np.where(slack > _TIED, slack, 0.0)

        # 1 / (1 + w) >= 1 / (1 + p) - (w - p) / (1 + p)**2, where w is the share by which a bandwidth grows; in units
        # of `size`, u its inverse's growth and w = size z: u + z / (1 + p)**2 >= -size q**2 / (1 + p)**2, p = size q
        reach = min(_REACHED, 0.5 / size)
        ahead = _SPREAD ** np.arange(-3, 1 + int(np.log(reach) / np.log(_SPREAD)))
        q = np.concatenate([-ahead, [0.0], ahead])
        square = (1 + size * q) ** 2
        cuts = np.zeros((dimensions * len(q), width))
        places, of = np.arange(len(cuts)), np.repeat(np.arange(dimensions), len(q))
        cuts[places, dimensions + of] = -1.0
        cuts[places, of] = -np.tile(1 / square, dimensions)

        own = region.rows * b
        own_scale = np.maximum(np.abs(own).max(axis=1), 1e-300)
        own = np.pad(own / own_scale[:, None], ((0, 0), (0, width - dimensions)))
        low, high = np.full(width, -np.inf), np.full(width, np.inf)
        low[:dimensions] = np.maximum((region.lower - b) / (size * b), -reach)
        high[:dimensions] = np.minimum((region.upper - b) / (size * b), reach)
        rows, equal = np.vstack([terms, cuts, own]), np.pad(region.equal, (len(terms) + len(cuts), 0))
        rhs = np.concatenate([slack / size, np.tile(size * q**2 / square, dimensions), room / (size * own_scale)])
        near = equal | (rhs <= 10 * dimensions * reach)  # no move breaks the others
        self.solved += 1
        tell("linear programs", self.solved)
        solution = linear_program(cost, rows[near], rhs[near], equal[near], low, high)
        if solution is None:
            return None
        duals = np.zeros(len(rows))
        duals[near] = solution.duals
        move, earned = solution.x[:dimensions], np.abs(duals @ rows[:, :dimensions])
        if ((np.abs(move) >= 0.999 * reach) & (earned > _FREE)).any():
            raise RunError("a bandwidth changes by more than numbers of double precision can follow")
        return move * size * b, duals[-len(own) :] * unit / own_scale

    def _terms(self, scale: Array) -> tuple[Array, Array, float]:
        """Return the rows that make up the time, its gradient, and its unit [s]; all variables in units of `scale`.

        The variables are the bandwidths, their inverses, the streams, and the overlap terms.
        """
        model, size = self.model, len(scale)
        streams, terms = model.shapes.shape[0], len(model.input_volume)
        rates = model.rates(scale)
        unit = float(model.time_at(rates)) - model.fixed or 1.0
        v, r, h = size, 2 * size, 2 * size + streams  # where each kind of variable begins; b comes first

        # a stream is as slow as each dimension that it uses
        of_stream, of_dimension = np.nonzero(model.shapes)
        slowest = np.zeros((len(of_stream), h + terms))
        places = np.arange(len(of_stream))
        slowest[places, v + of_dimension] = model.shapes[of_stream, of_dimension] / (
            scale[of_dimension] * rates[of_stream]
        )
        slowest[places, r + of_stream] = -1.0

        # an overlap term is as long as each of its sides
        sides, term = np.zeros((2 * terms, h + terms)), np.arange(terms)
        sides[term, r + model.input_stream] = model.input_volume * rates[model.input_stream] / unit
        sides[terms + term, r + model.weight_stream] = model.weight_volume * rates[model.weight_stream] / unit
        sides[term, h + term] = sides[terms + term, h + term] = -1.0

        cost = np.zeros(h + terms)
        cost[r:h] = self.linear * rates / unit
        cost[h:] = model.count
        return np.vstack([slowest, sides]), cost, unit

    def _fixed(self, unit: float) -> Array:
        """Return the right-hand sides of the rows that make up the time."""
        model = self.model
        return np.concatenate(
            [np.zeros(np.count_nonzero(model.shapes) + len(model.input_volume)), -model.weight_compute / unit]
        )

    def _longest(self, b: Array) -> Array:
        """Return how long each overlap term is at a split [s]."""
        model, rates = self.model, self.model.rates(b)
        return np.maximum(
            model.input_volume * rates[model.input_stream],
            model.weight_compute + model.weight_volume * rates[model.weight_stream],
        )

    def _weights(self, of_terms: Array, of_own: Array) -> Weights:
        """Return duals as multipliers of the lower bound."""
        model = self.model
        of_slowest, of_sides = np.split(of_terms, [np.count_nonzero(model.shapes)])
        share = np.zeros_like(model.shapes)
        share[np.nonzero(model.shapes)] = of_slowest
        return Weights(of_sides.reshape(2, len(model.input_volume)).T, share, of_own)
