"""Linear programs that bound the step model from below: tangents stand in for 1/b.

With ``v_i >= 1 / b_i`` the iteration time is piecewise linear, and ``1 / b_i`` is bounded from below by its tangents,
``1 / b >= 2 / p - b / p**2`` for every p > 0. A tangent holds for every budget and cost, so the searches share them.
All quantities are scaled by a point near the optimum, where every variable of the program is close to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import Weights
from simcore.models.bandwidth.linear import linear_program
from simcore.models.bandwidth.region import Region
from simcore.models.training import StepModel

Array = NDArray[np.float64]

#: Tangents further than this factor from the scaling point are left out: they would only spoil the numbers.
_REACH = 1e4
#: A long search keeps these many latest tangents, and of the others one wherever the distance grows by this factor.
_LATEST, _THINNING = 24, 1.5


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
        model, size = self.model, region.dimensions
        streams, terms = model.shapes.shape[0], len(model.x)
        rates = model.rates(scale)
        unit = float(model.time_at(rates)) - model.fixed or 1.0
        v, r, h = size, 2 * size, 2 * size + streams  # where each kind of variable begins; b comes first
        width = h + terms

        # a stream is as slow as each dimension that it uses
        of_stream, of_dimension = np.nonzero(model.shapes)
        slowest = np.zeros((len(of_stream), width))
        places = np.arange(len(of_stream))
        slowest[places, v + of_dimension] = model.shapes[of_stream, of_dimension] / (
            scale[of_dimension] * rates[of_stream]
        )
        slowest[places, r + of_stream] = -1.0

        # an overlap term is as long as each of its sides
        sides, term = np.zeros((2 * terms, width)), np.arange(terms)
        sides[term, r + model.sx] = model.x * rates[model.sx] / unit
        sides[terms + term, r + model.sy] = model.y * rates[model.sy] / unit
        sides[term, h + term] = sides[terms + term, h + term] = -1.0

        # p v + b / p >= 2, the tangent at p multiplied by p
        near = [self._near(i, float(scale[i])) for i in range(size)]
        cut_dimension = np.repeat(np.arange(size), [len(points) for points in near])
        p = np.concatenate(near)
        cuts = np.zeros((len(p), width))
        cuts[np.arange(len(p)), v + cut_dimension] = -p
        cuts[np.arange(len(p)), cut_dimension] = -1.0 / p

        own = region.rows * scale
        own_scale = np.maximum(np.abs(own).max(axis=1), 1e-300)
        own = np.pad(own / own_scale[:, None], ((0, 0), (0, width - size)))

        cost, low, high = np.zeros(width), np.zeros(width), np.full(width, np.inf)
        cost[r:h] = self.linear * rates / unit
        cost[h:] = model.count
        if prices is not None:
            cost[:size] = prices * scale / unit
        low[:size], high[:size] = region.lower / scale, region.upper / scale
        rows = np.vstack([slowest, sides, cuts, own])
        rhs = [np.zeros(len(places) + terms), -model.g / unit, np.full(len(p), -2.0), region.rhs / own_scale]
        self.solved += 1
        found = linear_program(
            cost,
            rows,
            np.concatenate(rhs),
            np.pad(region.equal, (len(places) + 2 * terms + len(p), 0)),
            low,
            high,
        )
        if found is None:
            return None
        of_slowest, of_sides, _, of_own = np.split(found.duals, np.cumsum([len(places), 2 * terms, len(p)]))
        share = np.zeros_like(model.shapes)
        share[of_stream, of_dimension] = of_slowest
        return found.x[:size] * scale, Weights(of_sides.reshape(2, terms).T, share, of_own * unit / own_scale)
