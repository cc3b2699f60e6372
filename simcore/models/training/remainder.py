"""What a measured step takes beside its kernels: one constant per model, fitted and said to be so.

It is either seconds that every step takes, as a host does that prepares a step whatever its size, or a factor, as of
device time that the kernels lack: other algorithms, kernels that the operator list does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

Steps = Sequence[tuple[float, float]]
"""Seconds of the kernels k, and measured seconds t, of some steps of a model."""


class Form(StrEnum):
    """What a constant is."""

    SECONDS = "seconds"
    FACTOR = "factor"


@dataclass(frozen=True)
class Remainder:
    """What a model's steps take beside their kernels.

    Attributes
    ----------
    form : Form
        What the constant is.
    value : float
        Seconds of every step [s], at least 0, or a factor on its kernels, at least 1.

    Examples
    --------
    >>> Remainder(Form.SECONDS, 0.5).step(2.0), Remainder(Form.FACTOR, 1.5).step(2.0)
    (2.5, 3.0)
    """

    form: Form
    value: float

    def step(self, kernels: float) -> float:
        """Return a step whose kernels take so long [s]."""
        return kernels + self.value if self.form is Form.SECONDS else kernels * self.value

    @property
    def text(self) -> str:
        """What it is, in words."""
        return f"{self.value:.6g} s a step" if self.form is Form.SECONDS else f"{self.value:.6g} times its kernels"


def fit_remainder(steps: Steps, otherwise: Form = Form.SECONDS) -> Remainder:
    """Return the constant that comes nearest to measured steps.

    Its form is the one that predicts steps that it was not fitted to: each is left out once.

    Parameters
    ----------
    steps : sequence of (float, float)
        Seconds of the kernels and measured seconds of each step.
    otherwise : Form
        Its form with one step, which tells none.

    Examples
    --------
    Twice the batch takes 1 s more, as the kernels do; twice the batch takes twice as long.

    >>> fit_remainder([(1.0, 2.0), (2.0, 3.0)]), fit_remainder([(1.0, 2.0), (2.0, 4.0)])
    (Remainder(form=<Form.SECONDS: 'seconds'>, value=1.0), Remainder(form=<Form.FACTOR: 'factor'>, value=2.0))
    """
    return fitted(likely_form([steps], otherwise), steps)


def likely_form(models: Iterable[Steps], otherwise: Form = Form.SECONDS) -> Form:
    """Return the form that predicts the steps of some models best, each from the others of its model.

    Parameters
    ----------
    models : iterable of sequences of (float, float)
        The steps of each model; those of a model with one step tell nothing.
    otherwise : Form
        What is returned where nothing is told.
    """
    several = [steps for steps in models if len(steps) > 1]
    forms = sorted(Form, key=lambda form: form is not otherwise)
    return min(forms, key=lambda form: math.fsum(_missed(form, steps) for steps in several))


def fitted(form: Form, steps: Steps) -> Remainder:
    """Return the constant of a form with the least sum of squared relative errors: no step is shorter than its kernels.

    ::

        seconds   max(0, sum((t - k) / t^2) / sum(1 / t^2))
        factor    max(1, sum(k / t) / sum((k / t)^2))

    Examples
    --------
    >>> fitted(Form.SECONDS, [(3.0, 2.0)]).value, fitted(Form.FACTOR, [(3.0, 2.0)]).value
    (0.0, 1.0)
    """
    if form is Form.SECONDS:
        weights = [1 / t**2 for _, t in steps]
        missing = math.fsum(weight * (t - k) for weight, (k, t) in zip(weights, steps, strict=True))
        return Remainder(form, max(0.0, missing / math.fsum(weights)))
    shares = [k / t for k, t in steps]
    return Remainder(form, max(1.0, math.fsum(shares) / math.fsum(share**2 for share in shares)))


def _missed(form: Form, steps: Steps) -> float:
    """Return the relative errors of steps, each predicted from the others, added up."""
    missed = 0.0
    for at, (kernels, measured) in enumerate(steps):
        others = [*steps[:at], *steps[at + 1 :]]
        missed += abs(fitted(form, others).step(kernels) / measured - 1)
    return missed
