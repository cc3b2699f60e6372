"""The profiles of collectives of the zoo, fitted to public measurements, and how far they are off on held-out rows.

python benchmarks/public_collectives.py            # prints tables
python benchmarks/public_collectives.py --write    # writes the zoo too
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import yaml
from simcore.calibrate.collectives.table import fit_rows
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import Mesh
from simcore.models.network.nccl import Span
from simcore.readers.collective_profiles import profile_document
from simcore.readers.collective_rows import CollectiveRow
from simcore.readers.collective_tables import read_collectives
from simcore.readers.networks import read_any_network
from simcore.readers.zoo import ROOT
from simcore.studies.validate.collectives import interval_of, state_of

from tables import COLLECTIVES, table

NOT_MEASURED = (
    "Between nodes nothing was measured: steps of 5 us (LL) and 14 us (Simple) as NCCL's tuning model has them, and "
    "92 % of the network's bandwidth, are assumed. "
)


@dataclass(frozen=True)
class Source:
    """A profile and the rows that it is fitted to."""

    name: str
    description: str
    source: str
    licence: str
    devices: tuple[str, ...]
    bandwidths: tuple[float, float]
    derived: str = ""
    mesh: Mesh | None = None


DGX_V100 = read_any_network("dgx-v100").value.mesh
VTRAIN, STAS = "vTrain VIA-Research/vTrain@", "stas00/ml-engineering@"
SOURCES = (
    Source(
        "v100-32gb", "Collectives among 8 V100-32GB in a cube mesh of NVLink, and messages between two nodes",
        "Aceso microsoft/SuperScaler@", "MIT", ("v100_32gb",), (150e9, 6.25e9),
        "Of collectives between nodes nothing was measured: messages alone were. Steps and efficiency of the others "
        "are assumed as NCCL's tuning model has them.", DGX_V100,
    ),
    Source("v100", "All-reduces among 2 to 8 V100 in a cube mesh of NVLink", VTRAIN, "MIT", ("v100",),
           (150e9, 6.25e9), NOT_MEASURED + "Kinds other than all-reduces are derived from it.", DGX_V100),
    Source("a100", "All-reduces among 2 to 8 A100 on NVLink switches", VTRAIN, "MIT", ("a100",),
           (300e9, 25e9), NOT_MEASURED + "Kinds other than all-reduces are derived from it."),
    Source("a100-nccl-tests", "All-reduces among 8 A100 on NVLink switches", STAS, "CC BY-SA 4.0, facts alone",
           ("a100 (one node)",), (300e9, 25e9), NOT_MEASURED + "Kinds other than all-reduces are derived from it."),
    Source("h200", "Collectives among 4 to 8 H200 on NVLink switches that reduce (NVLS)", STAS,
           "CC BY-SA 4.0, facts alone", ("h200 (one node)",), (450e9, 50e9),
           NOT_MEASURED + "Messages and all-to-alls are derived from rings of all-reduces. An H100 has these links."),
    Source("b200", "All-reduces among 4 to 8 B200 on NVLink switches that reduce (NVLS), and 4 nodes over EFA", STAS,
           "CC BY-SA 4.0, facts alone",
           ("b200 (4 nodes x 8, P6-B200, 50 GB/s EFA v4 per GPU)", "b200 (1 node, P6-B200)", "b200 (one node)"),
           (900e9, 50e9),
           "Other networks than EFA have shorter steps. Kinds other than all-reduces are derived from it."),
    Source("unstated", "All-reduces and all-to-alls among 2 to 8 GPUs that the source does not name, as fast as A100",
           "Galvatron PKU-DAIR/Hetu-Galvatron@", "Apache-2.0", ("not stated",), (300e9, 25e9),
           NOT_MEASURED + "The device is not stated; links of an A100 are taken."),
)  # fmt: skip

FOLDS = 5


def rows_of(source: Source, rows: Sequence[CollectiveRow]) -> list[CollectiveRow]:
    """Return the rows that a profile is fitted to."""
    return [
        row for row in rows if not row.why_not and row.source.startswith(source.source) and row.device in source.devices
    ]


def fitted(source: Source, rows: Sequence[CollectiveRow], folds: int = FOLDS) -> CollectiveProfile:
    """Fit the profile of a source to rows."""
    profile = fit_rows(source.name, rows, *source.bandwidths, mesh=source.mesh, folds=folds)
    return replace(
        profile, devices=source.devices, source=rows[0].source, licence=source.licence, derived=source.derived
    )


class Off(NamedTuple):
    """How far off a prediction of one size in one group is; of its rows so many lie within the interval."""

    kind: str
    span: Span
    size: float
    error: float
    rows: int
    within: int
    noise: float | None


def held_out(source: Source, rows: Sequence[CollectiveRow], *, aligned: bool = False) -> list[Off]:
    """Return errors of the median of repeats on sizes that were held out, each once.

    With `aligned` all messages are taken for aligned, as if nothing were known of the tensors.
    """
    groups: dict[tuple[object, ...], dict[float, list[CollectiveRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.size > 0:
            groups[row.kind, row.span, row.state][row.size].append(row)
    off = []
    for fold in range(FOLDS):
        own = [each[size] for each in groups.values() for index, size in enumerate(sorted(each))
               if index % FOLDS == fold and len(each) > 1]  # fmt: skip
        held = {id(row) for some in own for row in some}
        profile = fitted(source, [row for row in rows if id(row) not in held])
        profile = replace(profile, offsets={}) if aligned else profile
        off += [error_of(profile, some) for some in own]
    return off


def error_of(profile: CollectiveProfile, rows: Sequence[CollectiveRow]) -> Off:
    """Return how far off a profile is on the repeats of one size."""
    row = rows[0]
    timings = [profile.timing(one.kind, one.span, state=state_of(profile, one)) for one in rows]
    predicted = [timing.seconds(one.size) for timing, one in zip(timings, rows, strict=True)]
    measured = statistics.median(one.seconds for one in rows)
    within = 0
    for timing, one, each in zip(timings, rows, predicted, strict=True):
        low, high = interval_of(timing)
        within += low * each <= one.seconds <= high * each
    noise = statistics.fmean(abs(one.seconds / measured - 1) for one in rows) if len(rows) > 1 else None
    return Off(row.kind, row.span, row.size, statistics.median(predicted) / measured - 1, len(rows), within, noise)


def seen(profile: CollectiveProfile, rows: Sequence[CollectiveRow]) -> list[Off]:
    """Return errors on the sizes that a profile was fitted to."""
    sizes: dict[tuple[object, ...], list[CollectiveRow]] = defaultdict(list)
    for row in rows:
        if row.size > 0:
            sizes[row.kind, row.span, row.state, row.size].append(row)
    return [error_of(profile, some) for some in sizes.values()]


def floors(profile: CollectiveProfile, rows: Sequence[CollectiveRow]) -> list[Off]:
    """Return errors on the smallest size of each group, where it is at most 1 MiB."""
    groups: dict[tuple[object, ...], list[CollectiveRow]] = defaultdict(list)
    for row in rows:
        if row.size > 0:
            groups[row.kind, row.span, row.state].append(row)
    least = {key: min(row.size for row in some) for key, some in groups.items()}
    return [
        error_of(profile, [row for row in some if row.size == least[key]])
        for key, some in groups.items() if least[key] <= 2**20
    ]  # fmt: skip


def other_groups(source: Source, rows: Sequence[CollectiveRow]) -> dict[int, float]:
    """Return the mean error in groups of one node that a fit has not seen, between others that it has."""
    sizes = sorted({row.span.near for row in rows if row.span.nodes == 1})
    found = {}
    for near in sizes[1:-1]:
        own = [row for row in rows if row.span == Span(near)]
        profile = fitted(source, [row for row in rows if row.span != Span(near)], folds=0)
        found[near] = statistics.fmean(abs(one.error) for one in seen(profile, own))
    return found


def line_of(name: str, some: Sequence[Off]) -> str:
    """Return a row of the table."""
    rows = sum(one.rows for one in some)
    noise = [one.noise for one in some if one.noise is not None]
    shown = f"{statistics.fmean(noise):6.2%}" if noise else "     -"
    return (
        f"{name:34} {rows:5} rows, {len(some):5} sizes  MAPE {statistics.fmean(abs(one.error) for one in some):6.2%}  "
        f"noise {shown}  within 90 % {sum(one.within for one in some) / rows:6.1%}"
    )


def main() -> None:
    """Print the tables, and write the zoo's files where that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    path = table(COLLECTIVES)
    if path is None:
        return
    rows = read_collectives(path).rows
    every = []
    for source in SOURCES:
        own = rows_of(source, rows)
        profile = fitted(source, own)
        if arguments.write:
            write(source, profile)
        off = held_out(source, own)
        every += off
        for kind, near, nodes in sorted({(one.kind, one.span.near, one.span.nodes) for one in off}):
            some = [one for one in off if (one.kind, one.span) == (kind, Span(near, nodes))]
            print(line_of(f"{source.name} {kind} {near} x {nodes}", some))
        for kind in sorted({one.kind for one in off}):
            print(line_of(f"{source.name} {kind}", [one for one in off if one.kind == kind]))
        print(line_of(source.name, off))
        if profile.offsets:
            print(line_of(f"{source.name}, all taken for aligned", held_out(source, own, aligned=True)))
        known, low = seen(profile, own), floors(profile, own)
        print(f"{source.name}: on sizes of the fit {statistics.fmean(abs(one.error) for one in known):.2%}")
        print(f"{source.name}: at the smallest size at most {max((abs(one.error) for one in low), default=0.0):.1%}")
        for near, error in other_groups(source, own).items():
            print(f"{source.name}: groups of {near} held out {error:.1%}")
    print(line_of("all", every))


def write(source: Source, profile: CollectiveProfile) -> None:
    """Write a file of the zoo."""
    document = profile_document(profile, source.description)
    text = yaml.safe_dump(document, sort_keys=False, width=118, default_flow_style=None, allow_unicode=True)
    (ROOT / "collectives" / f"{source.name}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
