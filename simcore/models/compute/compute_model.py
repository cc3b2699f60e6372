"""What computes an operator in how many seconds: the one question that training asks of a device.

A `ComputeModel` answers it for one kernel call on one NPU. There are two makers: `ConstantRate` divides the work by a
rate, as published workloads do, and `Profiled` predicts from what was measured of a device.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from dataclasses import field as of_dataclass
from typing import Protocol

from simcore.errors import InputError, field
from simcore.models.compute.device import DTYPES, FRESH, PAGE, lacks
from simcore.models.compute.predict import Prediction, cold_share, predict_between, require_fits
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.statistics import Zeros

PUBLISHED_RATE = 60 * 2.0**40
"""What an NPU of the published workloads achieves [FLOP/s]: the SC'22 submission 245 artifact and LIBRA."""


@dataclass(frozen=True)
class KernelCall:
    """One call of a kernel on one NPU.

    Attributes
    ----------
    kernel : str
        A kernel of `simcore.models.compute.kernels.FORMULA_OF`.
    shape : tuple of (str, float)
        Its sizes, see `simcore.models.compute.profile.Sample`.
    work : float
        What a constant rate counts [FLOP]; 0 for a kernel that only moves bytes.
    dtype : str or None
        Number format; None for that of the model.
    operands : tuple of (float, float)
        Bytes of each operand, and bytes that were touched since it was [B]; empty where nobody knows.
    kept : float
        Bytes that it writes for a later pass of a step [B]; as many as `FRESH` a step takes from the system anew.
    zeros : Zeros or None
        Of a product, which operand holds zeros in blocks; None where none is known to.
    """

    kernel: str
    shape: tuple[tuple[str, float], ...]
    work: float = 0.0
    dtype: str | None = None
    operands: tuple[tuple[float, float], ...] = ()
    kept: float = 0.0
    zeros: Zeros | None = None

    def size(self, name: str) -> float:
        """Return one of its sizes.

        Examples
        --------
        >>> KernelCall("copy", (("bytes", 8),)).size("bytes")
        8
        """
        return dict(self.shape)[name]


class ComputeModel(Protocol):
    """Whatever knows how long kernels take on one NPU."""

    def seconds(self, operator: KernelCall) -> Prediction:
        """Predict one call: seconds, their expected error, and what a reader must know."""


@dataclass(frozen=True)
class ConstantRate:
    """An NPU of one speed: work over rate.

    Attributes
    ----------
    rate : float
        What it achieves [FLOP/s].

    Examples
    --------
    >>> ConstantRate(1e12).seconds(KernelCall("gemm", (("m", 10), ("n", 10), ("k", 10)), work=2000.0)).seconds
    2e-09
    """

    rate: float = PUBLISHED_RATE

    def seconds(self, operator: KernelCall) -> Prediction:
        """Return work over rate, which nobody measured."""
        return Prediction(operator.work / self.rate, None, "constant rate")


@dataclass(frozen=True)
class Profiled:
    """A profiled device.

    Attributes
    ----------
    profile : KernelProfile
        The device's.
    dtype : str
        Number format of all calls that bring none; `profiled` finds it.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.
    """

    profile: KernelProfile
    dtype: str
    extrapolate: bool = True
    _known: dict[Hashable, Prediction] = of_dataclass(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def launch(self) -> float | None:
        """What the host takes to launch a kernel, while the device may be busy with another [s].

        It is 0 on a CPU, whose kernel times hold the call, and None where the profile does not say.
        """
        if self.profile.device.kind == "cpu":
            return 0.0
        fit = self.profile.fit("launch", "fp32")
        return None if fit is None else fit.parameters["node"]

    def seconds(self, operator: KernelCall) -> Prediction:
        """Predict one call, as if it were launched already.

        Raises
        ------
        InputError
            As `simcore.models.compute.predict.predict` does.
        """
        dtype, share = operator.dtype or self.dtype, cold_share(operator.operands, self.profile.device)
        key = operator.kernel, dtype, operator.shape, share
        if key not in self._known:  # equal kernels stand at many places of a model
            shape = dict(operator.shape)
            self._known[key] = predict_between(
                self.profile, operator.kernel, dtype, shape, share, extrapolate=self.extrapolate
            )
        found = self._known[key]
        beside = self._beside(operator)
        return replace(found, seconds=found.seconds + beside) if beside else found

    def _beside(self, operator: KernelCall) -> float:
        """Return what a call costs beside its kernel in a step [s]: Python and autograd, and pages touched first.

        A GPU hides the former and keeps its memory; neither is in its profile. A CPU's memory is kept too where it is
        less than `FRESH` at once; a product was timed with it. A call of the optimizer was timed with what it costs
        beside its kernel; with it comes what a step takes once.
        """
        if not operator.operands:  # a call by itself, of no step
            return 0.0
        kind = self.profile.device.kind
        new = operator.kept if operator.kept >= FRESH[kind] and operator.kernel != "gemm" else 0.0
        pages = new / PAGE * self._node("first_touch")
        if operator.kernel == "adam":
            return pages + self._node("eager", "t0")
        return pages + max(self._node("eager") - self._node("launch"), 0.0)

    def _node(self, kernel: str, parameter: str = "node") -> float:
        """Return what one more node in a row takes [s]; 0 where the profile does not say, and on a GPU."""
        fit = self.profile.fit(kernel, "fp32") if self.profile.device.kind == "cpu" else None
        return 0.0 if fit is None else fit.parameters[parameter]


def profiled(profile: KernelProfile, element: int, dtype: str | None = None, *, extrapolate: bool = True) -> Profiled:
    """Return the compute model of a device for elements of some width.

    Parameters
    ----------
    profile : KernelProfile
        The device's.
    element : int
        Bytes per element [B].
    dtype : str, optional
        Number format of the products; by default the profile's first that is as wide as the elements.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.

    Raises
    ------
    InputError
        If the profile has no GEMM in the format, or the format is not as wide as the elements.
    """
    require_fits(profile)
    formats = {2: ("fp16", "bf16"), 4: ("fp32",), 8: ("fp64",)}.get(element, ())
    wanted = formats if dtype is None else (dtype,)
    if dtype is not None and element_of(dtype, element) != element:
        remedy = f"Give its elements that width, or leave {field('dtype')} out."
        raise InputError(field("dtype"), f"'{dtype}' for {element} B per element", f"{DTYPES[dtype]} B", remedy)
    for one in wanted:
        if one in profile.dtypes:
            return Profiled(profile, one, extrapolate)
    if not profile.dtypes:
        remedy = "Calibrate the suites gemm and memory too: the same file keeps what it has."
        raise InputError(f"profile {profile.name}", "no fit of gemm", "one for the model's products", remedy)
    raise lacks(f"profile {profile.name}", " or ".join(wanted) or f"{element} B", profile.dtypes)


def element_of(dtype: str | None, element: int) -> int:
    """Return the bytes per element of a number format; `element` where there is none, or nobody knows its width.

    Examples
    --------
    >>> element_of("tf32", 2), element_of(None, 2)
    (4, 2)
    """
    return element if dtype is None else DTYPES.get(dtype, element)
