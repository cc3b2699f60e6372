"""A kernel profile: what was measured on one device, what was fitted to it, and how far the two are apart."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

from simcore.models.cluster.overheads import ElasticCosts
from simcore.models.compute.correction import Correction
from simcore.models.compute.device import Device

SCHEMA = 1
"""Version of the profile format; a file of another version is refused."""

NOISY = 0.25
"""Bound on the median relative spread of a kernel's samples above which its fit is marked as noisy."""

BEYOND_OF_MODELS = "Kernels of a model outside the measured range are predicted, and a warning names them."
BEYOND_BY_SHAPE = "Predict shapes outside the measured range, and say so; without it they are refused."
"""The rule for what no profile measured, as every command says it that predicts from one."""

Shape = Mapping[str, float]

State = Literal["cold", "warm"]
"""Where operands and code are before a call: in memory, as other bytes were written since, or where the same call left
them, as calls follow each other in a row. A mask whose index is found is warm in that it was just written. What does
not say was measured cold."""

STATES: tuple[State, ...] = get_args(State)
"""Both of them."""


@dataclass(frozen=True)
class Sample:
    """One kernel at one shape, timed.

    Attributes
    ----------
    kernel : str
        For example ``gemm``, ``softmax`` or ``gather``.
    dtype : str
        Number format, a key of `simcore.models.compute.device.DTYPES`.
    shape : mapping of str to float
        Sizes and whatever else the time depends on: ``{"m": 64, "n": 64, "k": 128}``.
    seconds : float
        Median of one call [s], of several passes the lower quartile of their medians.
    spread : float
        Interquartile range over the median, of the calls or of the passes.
    repeats : int
        Calls that were timed.
    passes : sequence of float
        Medians of the passes [s], each at another time; empty for one pass.
    held_out : bool
        Whether the fit never saw it.
    error : float or None
        Relative error of the output against float64; None where it was not compared.
    note : str
        What a reader must know.
    state : {'cold', 'warm'}
        Where the operands were, see `State`.
    """

    kernel: str
    dtype: str
    shape: Shape
    seconds: float
    spread: float = 0.0
    repeats: int = 1
    held_out: bool = False
    error: float | None = None
    note: str = ""
    passes: Sequence[float] = ()
    state: State = "cold"

    @cached_property
    def of_pairs(self) -> Sequence[float]:
        """What the sample would take of each two of its passes alone, the lower quartile [s]; of one pass itself.

        Examples
        --------
        >>> Sample("gemm", "fp32", {"m": 1}, 1e-6).of_pairs, Sample("gemm", "fp32", {}, 1.0, passes=(1.0, 2.0)).of_pairs
        ((1e-06,), (1.25,))
        """
        pairs = (sorted(pair) for pair in itertools.combinations(self.passes, 2))
        return tuple(low + (high - low) / 4 for low, high in pairs) or (self.seconds,)

    @property
    def key(self) -> str:
        """What was measured, as text: the same for two measurements of one thing.

        Examples
        --------
        >>> Sample("gemm", "fp32", {"n": 2, "m": 1}, 1e-6).key
        'gemm fp32 m=1 n=2'
        """
        return f"{self.what} warm" if self.state == "warm" else self.what

    @property
    def what(self) -> str:
        """Kernel, number format and shape as text, whatever the state."""
        return " ".join([self.kernel, self.dtype, *(f"{name}={self.shape[name]:g}" for name in sorted(self.shape))])


@dataclass(frozen=True)
class Errors:
    """How far predictions are from measurements, relative to the measurements.

    Attributes
    ----------
    samples : int
        How many were compared.
    mape, p90, bias : float
        Mean and 90th percentile of the absolute relative error, and the mean of the signed one.
    """

    samples: int
    mape: float
    p90: float
    bias: float

    @classmethod
    def of(cls, residuals: Sequence[float]) -> Errors | None:
        """Return the errors of relative residuals (predicted / measured - 1); None of none.

        Examples
        --------
        >>> Errors.of([0.25, -0.75])
        Errors(samples=2, mape=0.5, p90=0.75, bias=-0.25)
        """
        if not residuals:
            return None
        size = sorted(abs(r) for r in residuals)
        p90 = size[min(math.ceil(0.9 * len(size)), len(size)) - 1]
        return cls(len(size), math.fsum(size) / len(size), p90, math.fsum(residuals) / len(size))


@dataclass(frozen=True)
class Fit:
    """The parameters of one kernel's cost formula on one device.

    Attributes
    ----------
    kernel, dtype : str
        What it is for.
    formula : str
        A key of `simcore.models.compute.kernels.FORMULAS`.
    parameters : mapping of str to float
        SI units; the formula says which.
    ranges : mapping of str to (float, float)
        Least and largest value of each of the formula's measures among the samples; empty where nothing was sampled.
    residuals, held_out : sequence of float
        Predicted / measured - 1 of the samples that were fitted, and of those that were held out.
    spread : float
        Median relative spread of the samples: no prediction can be held to less.
    origin : {'fitted', 'published measurement', 'derived', 'published', 'data sheet'}
        How the parameters came about.
    source : str
        Where published ones are from.
    correction : Correction or None
        What multiplies the formula's time, learned from more samples than the profile holds.
    judged : Errors or None
        Errors on shapes that a fit of the same kind never saw, where this one was fitted to them too.
    state : {'cold', 'warm'}
        That of the samples, see `State`.
    """

    kernel: str
    dtype: str
    formula: str
    parameters: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    residuals: Sequence[float] = ()
    held_out: Sequence[float] = ()
    spread: float = 0.0
    origin: str = "fitted"
    source: str = ""
    correction: Correction | None = None
    judged: Errors | None = None
    state: State = "cold"

    @property
    def key(self) -> tuple[str, str, State]:
        """What it is for: kernel, number format and state."""
        return self.kernel, self.dtype, self.state

    @property
    def noisy(self) -> bool:
        """Whether the samples spread more than `NOISY`."""
        return self.spread > NOISY

    @property
    def errors(self) -> Errors | None:
        """Errors on held-out shapes, else on the fitted ones, else None."""
        return self.errors_held_out or Errors.of(self.residuals)

    @property
    def basis(self) -> str:
        """Which shapes `errors` are on: ``held out``, ``fitted`` or ``devices left out``; its origin where on none."""
        if self.errors is None:
            return self.origin
        if self.origin == "derived":
            return "devices left out"
        return "held out" if self.errors_held_out else "fitted"

    @property
    def errors_held_out(self) -> Errors | None:
        """Errors on shapes that were held out, or None."""
        return self.judged or Errors.of(self.held_out)


@dataclass(frozen=True)
class KernelProfile:
    """Everything that is known of the speed of one device.

    Attributes
    ----------
    name : str
        For example ``v100-16gb``.
    device : Device
        What it describes.
    origin : {'measured', 'published measurement', 'derived', 'published'}
        Whether simcore measured it, others did, it is scaled from measured devices, or no more than a data sheet and
        single times are known.
    fits : tuple of Fit
        One per kernel, number format and state.
    samples : tuple of Sample
        What was measured.
    fingerprint : mapping of str to str
        Name, driver, clocks and versions of the machine that was measured.
    description, source : str
        One line each.
    schema : int
        Version of the format.
    elastic : ElasticCosts or None
        What logical workers of elastic training cost on it; None where that was not measured.

    Examples
    --------
    >>> profile = KernelProfile("toy", Device("toy", "cpu", 1, 1e9, 1e9, 1e6))
    >>> profile.sha256[:8] == KernelProfile.from_document(profile.as_document()).sha256[:8]
    True
    """

    name: str
    device: Device
    origin: str = "measured"
    fits: tuple[Fit, ...] = ()
    samples: tuple[Sample, ...] = ()
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    source: str = ""
    schema: int = SCHEMA
    elastic: ElasticCosts | None = None

    def fit(self, kernel: str, dtype: str, state: State = "cold") -> Fit | None:
        """Return the fit of one kernel in a state, else that in the other state, or None."""
        other: State = "warm" if state == "cold" else "cold"
        return self._by_key.get((kernel, dtype, state)) or self._by_key.get((kernel, dtype, other))

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, State], Fit]:
        """Return the fits by what they are for."""
        return {fit.key: fit for fit in self.fits}

    @cached_property
    def samples_by_key(self) -> dict[tuple[str, str, State], tuple[Sample, ...]]:
        """Return the samples by kernel, number format and state, in their order."""
        groups: dict[tuple[str, str, State], list[Sample]] = {}
        for one in self.samples:
            groups.setdefault((one.kernel, one.dtype, one.state), []).append(one)
        return {key: tuple(group) for key, group in groups.items()}

    def with_fit(self, fit: Fit) -> KernelProfile:
        """Return the profile with one fit added or replaced."""
        return replace(self, fits=(*(one for one in self.fits if one.key != fit.key), fit))

    @property
    def dtypes(self) -> list[str]:
        """Number formats whose GEMM is known, in the order of the fits."""
        return list(dict.fromkeys(fit.dtype for fit in self.fits if fit.kernel == "gemm"))

    @cached_property
    def sha256(self) -> str:
        """Hash of the content, which every result that used the profile carries."""
        return content_hash(self.as_document())

    def as_document(self) -> dict[str, Any]:
        """Return plain containers for JSON, the hash included; units stand in the names of the fields."""
        device = asdict(self.device)
        document: dict[str, Any] = {
            "schema": self.schema,
            "name": self.name,
            "description": self.description,
            "source": self.source,
            "origin": self.origin,
            "device": {_UNITS.get(key, key): value for key, value in device.items() if key != "power" or value},
            "fingerprint": dict(self.fingerprint),
            "fits": [_fit_document(fit) for fit in self.fits],
            "samples": [_stated(_plain(sample)) for sample in self.samples],
        }
        if self.elastic is not None:
            document["elastic"] = self.elastic.as_document()
        return {**document, "sha256": content_hash(document)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> KernelProfile:
        """Build a profile of a document that was checked before."""
        fields = {_FIELDS.get(key, key): value for key, value in document["device"].items()}
        fits = map(_fit_of, document["fits"])
        rest = {key: document[key] for key in ("name", "origin", "fingerprint", "description", "source", "schema")}
        samples = tuple(Sample(**{**sample, "passes": tuple(sample["passes"])}) for sample in document["samples"])
        found = document.get("elastic")
        elastic = None if found is None else ElasticCosts.from_document(found)
        return cls(device=Device(**fields), fits=tuple(fits), samples=samples, elastic=elastic, **rest)


_UNITS = {
    "memory": "memory_B",
    "bandwidth": "bandwidth_B_per_s",
    "cache": "cache_B",
    "clock": "clock_Hz",
    "peaks": "peaks_FLOP_per_s",
    "power": "power_W",
}
_FIELDS = {value: key for key, value in _UNITS.items()}


def _fit_document(fit: Fit) -> dict[str, Any]:
    """Return a fit as plain containers, without what few fits have and this one has not."""
    document: dict[str, Any] = _plain(fit)
    return _stated({key: value for key, value in document.items() if value is not None})


def _stated(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the state where it is cold, so that profiles without states keep their hash."""
    return {key: value for key, value in document.items() if (key, value) != ("state", "cold")}


def _fit_of(document: Mapping[str, Any]) -> Fit:
    """Return the fit of such a document."""
    rest: dict[str, Any] = {"ranges": {name: (low, high) for name, (low, high) in document["ranges"].items()}}
    if document.get("correction") is not None:
        rest["correction"] = Correction.from_document(document["correction"])
    if document.get("judged") is not None:
        rest["judged"] = Errors(**document["judged"])
    return Fit(**{**document, **rest})


def _plain(value: Any) -> Any:
    """Return dataclasses as dictionaries and tuples as lists, as JSON gives them back; `asdict` copies every number."""
    if isinstance(value, float | int | str):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [one if type(one) is float else _plain(one) for one in value]
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value)} if is_dataclass(value) else value


def content_hash(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a profile's document without its own hash, in a form that no layout changes.

    Examples
    --------
    >>> content_hash({"b": 1, "a": 2, "sha256": "x"}) == content_hash({"a": 2, "b": 1})
    True
    """
    content = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
