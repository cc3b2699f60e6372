"""Profiles of collectives: entries of the zoo, and the field ``collectives`` of a network's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.network.collectives import Collective
from simcore.models.network.measured import CollectiveProfile, Curve
from simcore.models.network.nccl import KINDS, Line, Span
from simcore.readers.quantities import Bandwidth, Entry, Measure, NotEmpty, Strict, Time, Whole, WholeText
from simcore.readers.read import InputFile, Read, read_entry

KIBIBYTE = 1024
"""Bytes of a KiB [B]."""

_Positive = Annotated[Measure, Field(gt=0)]
_Size = Annotated[Whole, Field(ge=1)]
_Kind = Literal["all-reduce", "reduce-scatter", "all-gather", "all-to-all", "point-to-point"]


class _Line(Strict):
    kind: _Kind
    algorithm: Literal["ring", "tree", "nvls", "direct"]
    protocol: str
    launch: Time
    step: Time = 0.0
    far_step: Time = 0.0
    efficiency: _Positive = 1.0
    far_efficiency: _Positive = 1.0
    least: _Size = 1


class _Curve(Strict):
    kind: _Kind
    near: _Size
    nodes: _Size = 1
    state: Literal["", "unaligned", "no-nvls"] = ""
    rows: Annotated[Whole, Field(ge=0)] = 0
    error: Annotated[Measure, Field(ge=0)] = 0.0
    low: _Positive = 1.0
    high: _Positive = 1.0
    noise: Annotated[Measure, Field(ge=0)] = 0.0
    bytes: list[_Positive]
    factors: list[_Positive]
    fitted_KiB: list[Annotated[Measure, Field(ge=0)]] = Field(default_factory=list)


class CollectivesSchema(Entry):
    """What a profile's file holds."""

    name: str = ""
    licence: str = ""
    derived: str = ""
    devices: list[str] = Field(default_factory=list)
    near: Bandwidth
    far: Bandwidth
    shares: dict[WholeText, _Positive] = Field(default_factory=dict)
    offered: dict[WholeText, _Positive] = Field(default_factory=dict)
    lines: Annotated[list[_Line], NotEmpty]
    curves: list[_Curve] = Field(default_factory=list)
    offsets: dict[str, dict[WholeText, Annotated[Whole, Field(ge=0)]]] = Field(default_factory=dict)


def read_collective_profile(
    name_or_path: str | Path | InputFile, place: str = "collectives"
) -> Read[CollectiveProfile]:
    """Read a profile of collectives by its name in the zoo, or from a file.

    Raises
    ------
    InputError
        For an unknown name, or naming file, line and field.

    Examples
    --------
    >>> read_collective_profile("a100").value.bandwidths
    (300000000000.0, 25000000000.0)
    """
    file = read_entry("collectives", name_or_path, place, "profile of collectives")
    schema = read_yaml(file.path, CollectivesSchema, "profile of collectives", file.text)
    return file.of(profile_of(schema, file.path.stem, str(file.path), file.sha256))


def profile_of(schema: CollectivesSchema, name: str, place: str, sha256: str = "") -> CollectiveProfile:
    """Return the profile that a schema holds.

    Raises
    ------
    InputError
        If it has no line of an all-reduce, or sizes and factors of a curve do not go together.
    """
    lines: dict[str, list[Line]] = {}
    for one in schema.lines:
        lines.setdefault(one.kind, []).append(Line(**one.model_dump(exclude={"kind"})))
    if Collective.ALL_REDUCE not in lines:
        raise InputError(f"{place}, field 'lines'", "no line of an all-reduce", "one, as others are derived from it")
    curves = tuple(_curve(one, f"{place}, field 'curves.{index}'") for index, one in enumerate(schema.curves))
    return CollectiveProfile(
        schema.name or name, (schema.near, schema.far), {kind: tuple(each) for kind, each in lines.items()}, curves,
        dict(schema.shares), dict(schema.offered), tuple(schema.devices), schema.source, schema.licence, schema.derived,
        {word: dict(each) for word, each in schema.offsets.items()}, sha256,
    )  # fmt: skip


def _curve(one: _Curve, place: str) -> Curve:
    rises = all(left < right for left, right in zip(one.bytes, one.bytes[1:], strict=False))
    if len(one.bytes) != len(one.factors) or not rises:
        found = f"{len(one.bytes)} sizes and {len(one.factors)} factors" if rises else "sizes that do not rise"
        raise InputError(place, found, "as many factors as sizes, which rise")
    span = Span(one.near, one.nodes)
    fitted = tuple(each * KIBIBYTE for each in one.fitted_KiB)
    errors = one.error, one.low, one.high, one.noise
    return Curve(one.kind, span, one.state, tuple(one.bytes), tuple(one.factors), *errors, one.rows, fitted)


def profile_document(profile: CollectiveProfile, description: str) -> dict[str, Any]:
    """Return a profile as plain containers that `CollectivesSchema` takes; names are text, as JSON has no others."""
    offsets = {word: {str(size): each[size] for size in each} for word, each in profile.offsets.items()}
    return {
        "name": profile.name, "description": description, "source": profile.source, "licence": profile.licence,
        **({"derived": profile.derived} if profile.derived else {}),
        "devices": list(profile.devices),
        "near": f"{profile.bandwidths[0] / 1e9:.10g} GB/s", "far": f"{profile.bandwidths[1] / 1e9:.10g} GB/s",
        "shares": _rounded(profile.shares),
        **({"offered": _rounded(profile.offered)} if profile.offered else {}),
        "lines": [_line_document(kind, one) for kind in KINDS for one in profile.lines.get(kind, ())],
        "curves": [_curve_document(one) for one in profile.curves if one.sizes],
        **({"offsets": offsets} if offsets else {}),
    }  # fmt: skip


def _rounded(shares: Mapping[int, float]) -> dict[str, float]:
    return {str(near): float(f"{share:.4g}") for near, share in shares.items()}


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _line_document(kind: str, one: Line) -> Mapping[str, Any]:
    times = {name: getattr(one, name) for name in ("launch", "step", "far_step")}
    shares = {name: float(f"{getattr(one, name):.4g}") for name in ("efficiency", "far_efficiency")}
    written = {name: f"{1e6 * each:.4g} us" for name, each in times.items() if each or name == "launch"}
    return {"kind": kind, "algorithm": one.algorithm, "protocol": one.protocol, **written, **shares, "least": one.least}


def _curve_document(one: Curve) -> Mapping[str, Any]:
    numbers = {name: float(f"{getattr(one, name):.4g}") for name in ("error", "low", "high", "noise")}
    return {
        "kind": one.kind, "near": one.span.near, "nodes": one.span.nodes, "state": one.state, "rows": one.rows,
        **numbers, "bytes": list(one.sizes), "factors": list(one.factors),
        "fitted_KiB": [_plain(each / KIBIBYTE) for each in one.fitted],
    }  # fmt: skip
