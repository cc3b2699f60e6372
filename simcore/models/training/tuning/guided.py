"""Predict, then measure: the model's surface is corrected by what was measured, and says what to measure next.

The time of a cell is ``t = c0 + c1 t_kernels + c2 t_recompute + d``. The model predicts both terms. The coefficients
have a normal prior around (0, 1, 1): what software takes beside kernels, and how fast it runs them. The misfit ``d`` is
a Gaussian process, alike for near batches and shares. Posterior, and the likelihood of each size of the misfit, are
those of Gaussian processes [1]_. A cell fits where the predicted memory is below a usable share of the device's. That
share, the size of a logit, and how far predictions of memory scatter have flat priors. The search stops where no cell
has an expected improvement [2]_ that is worth a measurement. The next cell is the one after which it is expected to be
closest to that, whether the cell fits or not, as in stepwise uncertainty reduction [3]_. Where nothing ran yet, the
lightest cell is tried after a few others.

No constant here comes from a grid that is tuned: widths say how wrong a prediction from nothing fitted may be. They
were chosen on surfaces made up at random (tests/unit/test_tuning.py).

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006, section 2.7.
.. [2] D. R. Jones, M. Schonlau, W. J. Welch, "Efficient Global Optimization of Expensive Black-Box Functions",
   Journal of Global Optimization 13, 1998.
.. [3] J. Bect et al., "Sequential Design of Computer Experiments for the Estimation of a Probability of Failure",
   Statistics and Computing 22, 2012.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simcore.models.training.tuning.cells import Asked, Guess, groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 0.5
"""Prior standard deviation of the coefficients; that of the time beside kernels is in units of a predicted time."""

OWN = 0.2
"""The same of what a way to spread the model, or its kernels, adds of its own."""

NOISE = 0.01
"""Share of a time that measurements vary by from cell to cell."""

MISFITS = (0.01, 0.02, 0.04, 0.08)
"""Shares of a time by which the shape of the prediction may be off, beside the coefficients; all are equally likely."""

NEAR = (0.3, 0.3)
"""How far that carries from cell to cell: in the logarithm of the batch, and in the share of recomputed blocks."""

USABLE = (0.5, 1.05)
"""Share of a device's memory, counted as the model counts it, at which memory runs out: the flat prior."""

LOSSES = (2 / 3, 1.0, 4 / 3, 5 / 3)
"""How many times its usual bytes a logit may take: 4, 6, 8 or 10 B."""

BLURS = (0.01, 0.04, 0.12)
"""Shares of a device's memory by which predictions of memory may be off from cell to cell; all are equally likely."""

HEAVY = 3
"""Measurements of which none ran, after which the cell that needs least memory is tried."""

WORTH = 0.0005
"""Expected improvement, as a share of the best rate, below which the search stops."""

CANDIDATES = 20
"""Cells with the largest expected improvements, of which one is measured next."""


def predict_then_measure(guesses: Sequence[Guess], asked: Asked, capacity: float) -> None:
    """Measure where the corrected prediction expects most, until that is not worth a measurement.

    Parameters
    ----------
    guesses : sequence of Guess
        The space.
    asked : Asked
        Measures, and keeps what came out.
    capacity : float
        What programs may use of a GPU's memory [B].
    """
    surface = _Surface(guesses, capacity)
    while not asked.spent:
        stuck = len(asked.rates) >= HEAVY and asked.best is None
        place = surface.lightest(asked) if stuck else surface.most_telling(asked)
        if place is None:
            return
        asked(guesses[place].cell)


class _Surface:
    """Predictions of all cells, and what is believed of their errors."""

    def __init__(self, guesses: Sequence[Guess], capacity: float) -> None:
        import numpy as np

        self.guesses, self.index = guesses, {each.cell: i for i, each in enumerate(guesses)}
        seconds = np.array([each.seconds for each in guesses])
        again = np.array([each.recompute for each in guesses])
        self.batches = np.array([each.cell.batch for each in guesses], dtype=float)
        terms = np.stack([np.full_like(seconds, np.median(seconds)), seconds - again, again], axis=1)
        kinds = list(groups(guesses))
        place = np.array([kinds.index(each.cell.group) for each in guesses])
        own = [terms * (place == kind)[:, None] for kind in range(len(kinds) if len(kinds) > 1 else 0)]
        self.terms = np.concatenate([terms, *own], axis=1)
        self.widths = np.concatenate([np.full(3, SPREAD), np.full(3 * len(own), OWN)])
        self.prior = self.terms**2 @ self.widths**2
        self.seconds, self.group = seconds, place
        self.ratios = np.array([each.cell.ratio for each in guesses])
        self.where = np.stack([np.log(self.batches), self.ratios], axis=1)
        limits = np.linspace(*USABLE, 56)[:, None, None] * capacity
        loads = np.array([[each.memory(loss) for each in guesses] for loss in LOSSES])
        fits = np.stack([_normal((limits - loads) / (blur * capacity)) for blur in BLURS])
        self.fits = fits.reshape(-1, len(guesses))  # a row for each limit, size of a logit and scatter

    def lightest(self, asked: Asked) -> int | None:
        """Return the place of the cell that needs least memory among those that may fit; None where none may."""
        open_ = [i for i, each in enumerate(self.guesses) if asked.known(each.cell) is None]
        return min(open_, key=lambda i: self.guesses[i].memory(), default=None)

    def most_telling(self, asked: Asked) -> int | None:
        """Return the place of the cell to measure next; None where no improvement is worth a measurement."""
        import numpy as np

        times, weights = self._times(asked), self._weights(asked)
        chances, measured = self._chances(asked, weights), [self.index[cell] for cell in asked.rates]
        gains = self._gains(times, np.array([asked.rate]))[0] * chances
        gains[measured] = 0.0
        if gains.max() <= WORTH * asked.rate:
            return None
        candidates = np.argsort(-gains, kind="stable")[: min(CANDIDATES, np.count_nonzero(gains))]
        if not len(candidates):
            return None
        means = sum(share * self.batches / seconds for share, seconds, _ in times)
        fits, fails = self._answers(weights, chances, candidates)
        for answered in (fits, fails):
            answered[:, measured] = 0.0
            answered[np.arange(len(candidates)), candidates] = 0.0
        best = np.maximum(asked.rate, means[candidates])
        worth = WORTH * (asked.rate or float(means.max()))
        left = (
            chances[candidates] * _excess(fits * self._gains(times, best), worth)
            + (1 - chances[candidates]) * _excess(fails * self._gains(times, np.array([asked.rate])), worth)
        )  # fmt: skip
        return int(candidates[left.argmin()])

    def _gains(self, times: Sequence[tuple[float, NDArray[Any], NDArray[Any]]], best: NDArray[Any]) -> NDArray[Any]:
        """Return the expected improvement of each cell that fits over each of some best rates, best x cell [1/s]."""
        import numpy as np

        gains = np.zeros((len(best), len(self.guesses)))
        for share, seconds, widths in times:
            rates = self.batches / seconds
            spread = np.maximum(rates * np.minimum(widths / seconds, 1.0), 1e-12)
            more = rates - best[:, None]
            density = np.exp(-((more / spread) ** 2) / 2) / math.sqrt(2 * math.pi)
            gains += share * (more * _normal(more / spread) + spread * density)
        return gains

    def _weights(self, asked: Asked) -> NDArray[Any]:
        """Return the probability of each limit, size of a logit and scatter."""
        import numpy as np

        weights = np.zeros(len(self.fits))
        for cell, rate in asked.rates.items():
            chance = self.fits[:, self.index[cell]]
            weights += np.log(np.maximum(chance if rate else 1 - chance, 1e-12))
        weights = np.exp(weights - weights.max())
        made: NDArray[Any] = weights / weights.sum()
        return made

    def _chances(self, asked: Asked, weights: NDArray[Any]) -> NDArray[Any]:
        """Return the chance of each cell that it fits."""
        chances = weights @ self.fits
        for i, each in enumerate(self.guesses):
            known = asked.known(each.cell)
            chances[i] = chances[i] if known is None else float(known)
        made: NDArray[Any] = chances
        return made

    def _answers(
        self, weights: NDArray[Any], chances: NDArray[Any], candidates: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the chance of each cell that it fits if a candidate does, and if it does not, candidate x cell."""
        import numpy as np

        likely = weights > 1e-9 * weights.max()
        fit, weights = self.fits[likely], weights[likely] / weights[likely].sum()
        alone = weights @ fit
        once = np.clip(alone[candidates], 1e-12, 1 - 1e-12)[:, None]
        both = np.einsum("hc,hn->cn", weights[:, None] * fit[:, candidates], fit)
        open_ = (chances > 0) & (chances < 1)
        fits = np.where(open_, np.clip(both / once, 0, 1), chances)
        fails = np.where(open_, np.clip((alone - both) / (1 - once), 0, 1), chances)
        same = self.group[candidates][:, None] == self.group
        batches, ratios = self.batches[candidates][:, None], self.ratios[candidates][:, None]
        fits[same & (self.batches <= batches) & (self.ratios >= ratios)] = 1.0
        fails[same & (self.batches >= batches) & (self.ratios <= ratios)] = 0.0
        return fits, fails

    def _times(self, asked: Asked) -> list[tuple[float, NDArray[Any], NDArray[Any]]]:
        """Return mean and standard deviation of the time of each cell [s], for each misfit with its probability."""
        import numpy as np

        ran = {self.index[cell]: cell.batch / rate for cell, rate in asked.rates.items() if rate}
        places, seconds = list(ran), np.array(list(ran.values()))
        own = self.terms[places]
        linear, across = own * self.widths**2 @ own.T, own * self.widths**2 @ self.terms.T
        alike = self._alike(places)
        scale = self.seconds[places]
        found = []
        for misfit in MISFITS:
            rough = misfit**2 * alike * scale[:, None] * self.seconds
            inner = linear + rough[:, places] + np.diag((NOISE * scale) ** 2)
            lower = np.linalg.cholesky(inner)
            outer = np.linalg.solve(lower, across + rough)
            white = np.linalg.solve(lower, seconds - scale)
            times = np.maximum(self.seconds + outer.T @ white, 0.05 * self.seconds)
            variance = self.prior + (misfit**2 + NOISE**2) * self.seconds**2 - (outer**2).sum(axis=0)
            likely = -(white**2).sum() / 2 - np.log(np.diag(lower)).sum()
            found.append((likely, times, np.sqrt(np.maximum(variance, (NOISE * self.seconds) ** 2))))
        most = max(likely for likely, _, _ in found)
        total = sum(math.exp(likely - most) for likely, _, _ in found)
        return [(math.exp(likely - most) / total, times, widths) for likely, times, widths in found]

    def _alike(self, places: Sequence[int]) -> NDArray[Any]:
        """Return how alike the misfits of measured cells are to those of all cells, from 0 to 1."""
        import numpy as np

        here = self.where[places][:, None]
        alike = np.exp(-(((here - self.where) / NEAR) ** 2).sum(axis=2) / 2)
        own: NDArray[Any] = alike * (self.group[places][:, None] == self.group)
        return own


def _excess(gains: NDArray[Any], worth: float) -> NDArray[Any]:
    """Return how far improvements are above what is worth a measurement: the sum of their logarithms, for each row."""
    import numpy as np

    total: NDArray[Any] = np.log(np.maximum(gains / worth, 1.0)).sum(axis=1)
    return total


def _normal(values: NDArray[Any]) -> NDArray[Any]:
    from scipy.special import ndtr

    chances: NDArray[Any] = ndtr(values)
    return chances
