"""Kernel profiles of the zoo or from a file: whole, of this schema, unedited, and in the right form.

A profile that was measured is JSON, see `simcore.readers.profile_json`. A published one is YAML that names a device of
the zoo and published times of its kernels: nobody measured it here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError, unknown_name
from simcore.files import read_yaml, validate
from simcore.models.compute.convolution import CONVOLUTIONS
from simcore.models.compute.correction import FEATURES_OF, Correction, count_features
from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS, STREAMS, formulas_of
from simcore.models.compute.profile import Fit, KernelProfile, Sample, State
from simcore.models.compute.seconds import gemm_seconds
from simcore.models.compute.sparse.composed import COMPOSED
from simcore.models.compute.sparse.stored import TURNED
from simcore.piping import STANDARD_INPUT
from simcore.readers import zoo
from simcore.readers.devices import read_device
from simcore.readers.elastic_costs import ElasticSchema
from simcore.readers.profile_json import parse_document
from simcore.readers.quantities import Entry, Flag, Measure, Real, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import top_fields

UNBOUNDED = 1e18
"""On-chip bandwidth where nobody publishes it [B/s]: none that a kernel waits for."""

_CONV = (
    "batch", "in_channels", "out_channels", "height", "width", "kernel_h", "kernel_w", "stride", "padding", "groups",
)  # fmt: skip
_SPARSE = ("m", "n", "k", "height", "width", "sparsity", "tile_m", "tile_k", "tile_n")
_SIZES: dict[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"), **dict.fromkeys(CONVOLUTIONS, _CONV), **dict.fromkeys(STREAMS, ("bytes",)),
    "rows": ("rows", "width"), "launch": ("nodes",),
    "attention": ("batch", "heads", "queries", "keys", "width"),
    "index": ("elements", "partial", "micro", "found"),
    **dict.fromkeys(("stored", TURNED), ("m", "n", "k", "stored")), "conversion": ("elements", "stored", "runs"),
    **{name: _SPARSE for name in FORMULAS if name.startswith(("pit-", "index-"))},
    **{name: ("tokens", "experts", "inner", "outer", "skew") for name in COMPOSED if name.startswith("moe-")},
    **{name: ("batch", "longest", "inner", "outer", "valid") for name in COMPOSED if name.startswith("sequence-")},
}  # fmt: skip
"""Sizes that a sample must have, by formula, or by the name of a kernel that has none."""

_MAY_BE_ZERO = frozenset({"elements", "partial", "found", "skew", "sparsity", "valid", "padding"})

_SPEEDS = frozenset({
    "rate", "onchip", "stream", "vector", "fresh", "bandwidth", "left", "right", "out", "pointwise", "depthwise",
    "scores", "byte", "touched",
})  # fmt: skip
"""Parameters that times are divided by; the others may be 0, as those of data sheets are."""

_REMEDY = "Calibrate again with this version of simcore."

_MOST = 100_000
"""Largest leaf of a tree, in `simcore.models.compute.correction.UNIT`: ten in a logarithm."""

_Positive = Annotated[Measure, Field(gt=0)]
_NotNegative = Annotated[Measure, Field(ge=0)]
_Positives = dict[str, _Positive]
_Size = Annotated[Whole, Field(ge=1)]
_Index = Annotated[Whole, Field(ge=0)]
_Leaf = Annotated[Whole, Field(ge=-_MOST, le=_MOST)]


class _Device(Strict):
    name: str = Field(min_length=1)
    kind: Literal["cuda", "cpu"]
    processors: _Size
    memory_B: _Positive
    bandwidth_B_per_s: _NotNegative
    cache_B: _NotNegative
    clock_Hz: _NotNegative
    peaks_FLOP_per_s: _Positives
    sources: dict[str, str]
    power_W: _NotNegative = 0.0


class _Tree(Strict):
    questions: list[tuple[_Index, Real]]
    leaves: list[_Leaf]


class _Correction(Strict):
    features: str
    tiles: list[tuple[_Size, _Size]]
    trees: list[_Tree]


class _Judged(Strict):
    samples: _Size
    mape: _NotNegative
    p90: _NotNegative
    bias: Real


class _Fit(Strict):
    kernel: str = Field(min_length=1)
    dtype: str = Field(min_length=1)
    formula: str
    parameters: dict[str, Measure]
    ranges: dict[str, tuple[Real, Real]]
    residuals: list[Real]
    held_out: list[Real]
    spread: _NotNegative
    origin: str
    source: str
    correction: _Correction | None = None
    judged: _Judged | None = None
    state: State = "cold"


class _Sample(Strict):
    kernel: str = Field(min_length=1)
    dtype: str = Field(min_length=1)
    shape: dict[str, Real]
    seconds: _Positive
    spread: _NotNegative
    repeats: _Size
    held_out: Flag
    error: Real | None
    note: str
    passes: list[_Positive]
    state: State = "cold"


class _Profile(Strict):
    schema_version: Whole = Field(alias="schema")
    name: str = Field(min_length=1)
    description: str
    source: str
    origin: Literal["measured", "published measurement", "derived", "published"]
    device: _Device
    fingerprint: dict[str, str]
    fits: list[_Fit]
    samples: list[_Sample]
    elastic: ElasticSchema | None = None
    sha256: str


class _Shape(Strict):
    m: _Size
    n: _Size
    k: _Size


class _Measurement(Strict):
    kernel: Literal["gemm"]
    dtype: str
    shape: _Shape
    time: Time
    source: Annotated[str, Field(min_length=1)]


class _Published(Entry):
    device: str
    measurements: list[_Measurement] = Field(default_factory=list)


def read_profile(name_or_path: str | Path | InputFile, place: str = "profile") -> Read[KernelProfile]:
    """Read a kernel profile.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        An entry of the zoo, such as ``v100-16gb``, a file that ``simcore calibrate`` wrote, or a YAML file that names a
        device of the zoo and published times of its kernels.
    place : str
        The field that gave it, for messages.

    Returns
    -------
    Read of KernelProfile
        Its hash is the file's; `KernelProfile.sha256` is that of the content.

    Raises
    ------
    InputError
        If there is none, or it is truncated, edited, of another schema version or malformed.

    Examples
    --------
    >>> read_profile("t4").value.device.processors
    40
    """
    file = read_entry("profiles", name_or_path, place, "profile")
    unnamed = str(file.path) == STANDARD_INPUT and not file.text.lstrip().startswith("{")
    if unnamed or file.path.suffix in {".yaml", ".yml"}:
        return file.of(_published(file.path, file.text))
    return file.of(_parsed(file.path, file.text))


@lru_cache(maxsize=16)
def _parsed(path: Path, text: str) -> KernelProfile:
    """Return the profile of a file; it takes tenths of a second, and nobody changes a profile that was read."""
    document = parse_document(path, text)
    validate(_Profile, document, str(path), {})
    profile = KernelProfile.from_document(document)
    _check(path, profile)
    return profile


def read_gpu(name_or_path: str | Path | InputFile, place: str = "device") -> Read[KernelProfile]:
    """Read a GPU: a kernel profile, or what a data sheet says where there is none.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A profile or a device of the zoo, or a file of either kind.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        As `read_profile`, and as `simcore.readers.devices.read_device`.

    Examples
    --------
    >>> read_gpu("l4").value.origin, read_gpu("t4").value.origin
    ('published', 'published measurement')
    """
    kind = "profiles"
    if isinstance(name_or_path, str) and zoo.entry_of("profiles", name_or_path) not in zoo.names("profiles"):
        kind = "devices" if zoo.entry_of("devices", name_or_path) in zoo.names("devices") else kind
    file = read_entry(kind, name_or_path, place, "profile")
    if kind == "profiles" and "memory_bandwidth" not in top_fields(file.text):
        return read_profile(file, place)
    read = read_device(file, place)
    text = "peaks and bandwidth of its data sheet"
    return Read(
        KernelProfile(read.value.name, read.value, "published", sheet_fits(read.value), description=text,
                      source=read.value.sources["peaks"]),
        read.name, read.sha256,
    )  # fmt: skip


def _check(path: Path, profile: KernelProfile) -> None:
    """Refuse a profile that would give a wrong number, or fail later where nobody looks for the cause.

    Raises
    ------
    InputError
        If a kernel, number format or formula is not one of simcore's, a parameter is missing, is no time or no speed,
        a kernel has two fits, or a sample lacks a size.
    """
    seen: set[tuple[str, str, State]] = set()
    for fit in profile.fits:
        place = f"{path}, fit of {fit.kernel} {fit.dtype}"
        _check_fit(place, fit)
        if fit.key in seen:
            raise InputError(place, "two of them", "one per kernel, number format and state", "Remove one.")
        seen.add(fit.key)
    for sample in profile.samples:
        _check_sample(f"{path}, sample '{sample.key}'", sample)


def _check_fit(place: str, fit: Fit) -> None:
    _check_names(place, fit.kernel, fit.dtype, list(FORMULA_OF))
    formula, allowed = fit.formula, formulas_of(fit.kernel)
    if formula not in allowed:
        expected = " or ".join(f"'{one}'" for one in allowed)
        raise InputError(f"{place}, field 'formula'", f"'{formula}'", expected, _REMEDY)
    wanted = FORMULAS[formula].parameters
    amiss = sorted(wanted.keys() ^ fit.parameters.keys())
    if amiss:
        remedy = "Its samples are kept if the same simcore calibrate writes to it again, which fits anew."
        raise InputError(place, f"{', '.join(amiss)} amiss", f"the parameters {', '.join(wanted)}", remedy)
    for name, value in fit.parameters.items():
        least = "above 0" if name in _SPEEDS else "of at least 0"
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name not in _SPEEDS))):
            raise InputError(f"{place}, parameter '{name}'", f"{value:g}", f"a number {least}", _REMEDY)
    if fit.correction is not None:
        _check_correction(f"{place}, correction", fit.correction, formula)


def _check_correction(place: str, correction: Correction, formula: str) -> None:
    """Refuse trees that ask for features which their kernel has not, or do not have a leaf for each answer."""
    wanted = FEATURES_OF.get(formula)
    if correction.features != wanted:
        raise InputError(f"{place}, field 'features'", f"'{correction.features}'", f"'{wanted}'", _REMEDY)
    known = count_features(correction.features, len(correction.tiles))
    for number, tree in enumerate(correction.trees, 1):
        asked = max((feature for feature, _ in tree.questions), default=0)
        if asked >= known:
            raise InputError(f"{place}, tree {number}", f"feature {asked}", f"one of 0 to {known - 1}", _REMEDY)
        if len(tree.leaves) != 2 ** len(tree.questions):
            expected = f"{2 ** len(tree.questions)}, one for each answer"
            raise InputError(f"{place}, tree {number}", f"{len(tree.leaves)} leaves", expected, _REMEDY)


def _check_sample(place: str, sample: Sample) -> None:
    _check_names(place, sample.kernel, sample.dtype, [*FORMULA_OF, *COMPOSED])
    sizes = _SIZES[FORMULA_OF.get(sample.kernel, sample.kernel)]
    missing = [name for name in sizes if name not in sample.shape]
    if missing:
        raise InputError(place, f"no {', '.join(missing)}", f"the sizes {', '.join(sizes)}", _REMEDY)
    for name, value in sample.shape.items():
        if value < 0 or (value == 0 and name not in _MAY_BE_ZERO) or (name == "sparsity" and value > 1):
            expected = "a share from 0 to 1" if name == "sparsity" else "a size above 0"
            raise InputError(f"{place}, {name}", f"{value:g}", expected, _REMEDY)


def _check_names(place: str, kernel: str, dtype: str, kernels: list[str]) -> None:
    if kernel not in kernels:
        raise unknown_name(f"{place}, field 'kernel'", kernel, kernels)
    if dtype not in DTYPES and dtype != "bool":
        raise unknown_name(f"{place}, field 'dtype'", dtype, [*DTYPES, "bool"])


def _published(path: Path, text: str) -> KernelProfile:
    """Build a profile of a YAML file that names a device of the zoo and published times of its kernels.

    Peak and bandwidth are the data sheet's, which few kernels reach; launches cost nothing, as no sheet has them. Where
    the time of a GEMM is published, the rate of its number format is solved from it.

    Raises
    ------
    InputError
        Naming file, line and field; also for a second time of one number format.

    Examples
    --------
    >>> profile = read_profile("v100-16gb").value
    >>> profile.fit("gemm", "fp32").origin, profile.fit("gemm", "fp16").origin
    ('published', 'data sheet')
    """
    data = read_yaml(path, _Published, "profile", text)
    device = read_device(data.device, f"{path}, field 'device'").value
    samples: dict[str, Sample] = {}
    for one in data.measurements:
        place = f"{path}, field 'measurements'"
        device.peak(one.dtype)
        if one.dtype in samples:
            raise InputError(place, f"a second GEMM of {one.dtype}", "one per number format", "Remove one.")
        shape = one.shape.model_dump()
        floor = gemm_seconds(shape, _gemm(device, device.peaks[one.dtype]), one.dtype, device)
        if one.time < floor:
            expected = f"at least {floor:.4g} s, what peak and bandwidth of {device.name} allow"
            raise InputError(place, f"{one.time:g} s", expected, "Check the device and the number format.")
        samples[one.dtype] = Sample("gemm", one.dtype, shape, one.time, note=one.source)
    return KernelProfile(
        path.stem, device, "published", sheet_fits(device, samples), tuple(samples.values()),
        description=data.description, source=data.source or device.sources["peaks"],
    )  # fmt: skip


def sheet_fits(device: Device, samples: Mapping[str, Sample] | None = None) -> tuple[Fit, ...]:
    """Return what a data sheet says of kernels: products at peak, copies and rows at the memory's bandwidth.

    Parameters
    ----------
    device : Device
        With peaks and bandwidth.
    samples : mapping of str to Sample, optional
        By number format, the published time of a product that gives its rate.
    """
    fits = [_gemm_fit(device, dtype, (samples or {}).get(dtype)) for dtype in device.peaks]
    fits += [_moving(device, kernel, dtype) for dtype in device.peaks if dtype != "tf32"
             for kernel in ("copy", "gather", "scatter")]  # fmt: skip
    return tuple(fits)


def _gemm(device: Device, rate: float) -> dict[str, float]:
    return {"t0": 0.0, "rate": rate, "ramp": 0.0, "onchip": UNBOUNDED, "stream": device.bandwidth,
            "vector": device.bandwidth, "fresh": UNBOUNDED}  # fmt: skip


def _gemm_fit(device: Device, dtype: str, sample: Sample | None) -> Fit:
    sheet = device.sources["peaks"]
    if sample is None:
        source = f"{sheet}: peak and bandwidth; launch 0 s and on-chip bandwidth unbounded, as neither is published"
        return Fit("gemm", dtype, "gemm", _gemm(device, device.peaks[dtype]), origin="data sheet", source=source)
    # tiled, the formula is X / rate + Y: at an endless rate it gives Y, at a rate of 1 FLOP/s X + Y
    tiled = {"vector": math.ulp(0.0)}
    moved = gemm_seconds(sample.shape, _gemm(device, math.inf) | tiled, dtype, device)
    work = gemm_seconds(sample.shape, _gemm(device, 1.0) | tiled, dtype, device) - moved
    shape = " x ".join(f"{sample.shape[name]:g}" for name in "mnk")
    source = f"rate solved from {shape} in {sample.seconds * 1e3:g} ms: {sample.note}; bandwidth: {sheet}"
    rate = work / (sample.seconds - moved)
    return Fit("gemm", dtype, "gemm", _gemm(device, rate), origin="published", source=source)


def _moving(device: Device, kernel: str, dtype: str) -> Fit:
    """Return a kernel that moves bytes at the memory's bandwidth, whatever the width of its rows."""
    parameters = {"t0": 0.0, "bandwidth": device.bandwidth, "knee": 0.0, "ratio": 1.0}
    rows = {} if kernel == "copy" else {"row": 0.0}
    source = f"{device.sources['bandwidth']}: memory bandwidth"
    formula = "stream" if kernel == "copy" else "rows"
    return Fit(kernel, dtype, formula, parameters | rows, origin="data sheet", source=source)
