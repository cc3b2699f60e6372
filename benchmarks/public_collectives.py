"""The profiles of collectives of the zoo, fitted to public measurements, and how far they are off on held-out rows.

    python benchmarks/public_collectives.py ../shared/data/measured/collectives.csv.gz            # prints the tables
    python benchmarks/public_collectives.py ../shared/data/measured/collectives.csv.gz --write    # and writes the zoo's files
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from simcore.calibrate.collectives.fit import Fitting, Sample, fit_collectives, medians
from simcore.calibrate.collectives.offsets import Seen, offsets_of
from simcore.calibrate.collectives.states import slower
from simcore.models.network.measured import CollectiveProfile, unaligned
from simcore.readers.collective_profiles import profile_document
from simcore.readers.collective_tables import CollectiveRow, read_collectives
from simcore.readers.zoo import ROOT

NOT_MEASURED = (
    "Between nodes nothing was measured: steps of 5 us (LL) and 14 us (Simple) as NCCL's tuning model has them, and 92 % "
    "of the network's bandwidth, are assumed. "
)


@dataclass(frozen=True)
class Source:
    """A profile and the rows that it is fitted to."""

    name: str
    description: str
    source: str
    licence: str
    devices: tuple[str, ...]
    known: Fitting
    derived: str = ""
    tensors: bool = False


VTRAIN, STAS = "vTrain VIA-Research/vTrain@", "stas00/ml-engineering@"
SOURCES = (
    Source(
        "v100-32gb", "Collectives among 8 V100-32GB in a cube mesh of NVLink, and messages between two nodes",
        "Aceso microsoft/SuperScaler@", "MIT", ("v100_32gb",), Fitting(150e9, 6.25e9, mesh=True),
        "Of collectives between nodes nothing was measured: messages alone were. Steps and efficiency of the others are "
        "assumed as NCCL's tuning model has them.", tensors=True,
    ),
    Source("v100", "All-reduces among 2 to 8 V100 in a cube mesh of NVLink", VTRAIN, "MIT", ("v100",),
           Fitting(150e9, 6.25e9, mesh=True), NOT_MEASURED + "Kinds other than all-reduces are derived from it."),
    Source("a100", "All-reduces among 2 to 8 A100 on NVLink switches", VTRAIN, "MIT", ("a100",),
           Fitting(300e9, 25e9), NOT_MEASURED + "Kinds other than all-reduces are derived from it."),
    Source("a100-nccl-tests", "All-reduces among 8 A100 on NVLink switches", STAS, "CC BY-SA 4.0, facts alone",
           ("a100 (one node)",), Fitting(300e9, 25e9), NOT_MEASURED + "Kinds other than all-reduces are derived from it."),
    Source("h200", "Collectives among 4 to 8 H200 on NVLink switches that reduce (NVLS)", STAS,
           "CC BY-SA 4.0, facts alone", ("h200 (one node)",), Fitting(450e9, 50e9, nvls=5),
           NOT_MEASURED + "Messages and all-to-alls are derived from rings of all-reduces; an H100 has the same links."),
    Source("b200", "All-reduces among 4 to 8 B200 on NVLink switches that reduce (NVLS), and on 4 nodes over EFA", STAS,
           "CC BY-SA 4.0, facts alone",
           ("b200 (4 nodes x 8, P6-B200, 50 GB/s EFA v4 per GPU)", "b200 (1 node, P6-B200)", "b200 (one node)"),
           Fitting(900e9, 50e9, nvls=6),
           "Other networks between nodes than EFA have shorter steps. Kinds other than all-reduces are derived from it."),
    Source("unstated", "All-reduces and all-to-alls among 2 to 8 GPUs that the source does not name; as fast as A100",
           "Galvatron PKU-DAIR/Hetu-Galvatron@", "Apache-2.0", ("not stated",), Fitting(300e9, 25e9),
           NOT_MEASURED + "The device is not stated; links of an A100 are taken."),
)  # fmt: skip

FOLDS = 5


def rows_of(source: Source, rows: Sequence[CollectiveRow]) -> list[CollectiveRow]:
    """Return the rows that a profile is fitted to."""
    return [
        row for row in rows if not row.why_not and row.source.startswith(source.source) and row.device in source.devices
    ]


def model_of(row: CollectiveRow) -> str:
    """Return the model whose tensor a row of a profiler is of."""
    return row.note.rpartition(", ")[2]


def element_of(model: str) -> int:
    """Return the bytes of an element of a model's tensors [B]: Wide-ResNet is fp32, the others fp16."""
    return 4 if model.startswith("resnet") else 2


def fitted(source: Source, rows: Sequence[CollectiveRow], folds: int = FOLDS) -> CollectiveProfile:
    """Fit the profile of a source to rows."""
    slow = slower([(row.kind, row.span) for row in rows], [row.size for row in rows], [row.seconds for row in rows])
    slow = slow if source.tensors else [False] * len(rows)
    samples = [
        Sample(row.kind, row.span, row.size, row.seconds, "unaligned" if late else row.state)
        for row, late in zip(rows, slow, strict=True)
    ]
    seen = [
        Seen(model_of(row), int(row.size / 2**20), element_of(model_of(row)), row.kind, row.span.gpus, late)
        for row, late in zip(rows, slow, strict=True)
        if row.kind in {"all-gather", "all-to-all", "reduce-scatter"}
    ]
    profile = fit_collectives(source.name, samples, source.known, folds=folds)
    return replace(
        profile, devices=source.devices, source=rows[0].source, licence=source.licence, derived=source.derived,
        offsets=offsets_of(seen) if source.tensors else {},
    )  # fmt: skip


def state_of(profile: CollectiveProfile, row: CollectiveRow) -> str:
    """Return what sets a row apart, as far as the profile knows."""
    offset = profile.offsets.get(model_of(row), {}).get(int(row.size / 2**20), 0)
    return "unaligned" if unaligned(row.kind, row.span.gpus, offset, element_of(model_of(row))) else row.state


def held_out(source: Source, rows: Sequence[CollectiveRow]) -> dict[tuple[str, int, int], list[float]]:
    """Return errors on sizes that were held out, by kind and group: of the median of repeats."""
    off: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    groups: dict[tuple[object, ...], list[CollectiveRow]] = defaultdict(list)
    for row in rows:
        if row.size > 0:
            groups[row.kind, row.span, row.state, row.size].append(row)
    by_group: dict[tuple[object, ...], list[tuple[object, ...]]] = defaultdict(list)
    for key in sorted(groups, key=str):
        by_group[key[:3]].append(key)
    for fold in range(FOLDS):
        held = {key for keys in by_group.values() for index, key in enumerate(sorted(keys, key=lambda k: k[3]))
                if index % FOLDS == fold and len(keys) > 1}  # fmt: skip
        if not held:
            continue
        kept = [row for row in rows if (row.kind, row.span, row.state, row.size) not in held]
        profile = fitted(source, kept, folds=0)
        for key in held:
            own = groups[key]
            measured = statistics.median(row.seconds for row in own)
            predicted = statistics.median(
                profile.timing(row.kind, row.span, state=state_of(profile, row)).seconds(row.size) for row in own
            )
            off[own[0].kind, own[0].span.near, own[0].span.nodes].append(predicted / measured - 1)
    return off


def main() -> None:
    """Print the tables, and write the zoo's files where that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = read_collectives(arguments.table).rows
    for source in SOURCES:
        started = time.process_time()
        own = rows_of(source, rows)
        if arguments.write:
            profile = fitted(source, own)
            text = yaml.safe_dump(profile_document(profile, source.description), sort_keys=False, width=120,
                                  default_flow_style=None, allow_unicode=True)  # fmt: skip
            (ROOT / "collectives" / f"{source.name}.yaml").write_text(text, encoding="utf-8")
        off = held_out(source, own)
        print(f"{source.name}: {len(own)} rows, {time.process_time() - started:.1f} CPU s")
        for kind in dict.fromkeys(kind for kind, _, _ in sorted(off)):
            each = [one for (name, _, _), some in off.items() if name == kind for one in some]
            print(f"  {kind:16} {len(each):5} sizes, held-out MAPE {statistics.fmean(map(abs, each)):6.2%}")
        every = [one for some in off.values() for one in some]
        print(f"  {'all':16} {len(every):5} sizes, held-out MAPE {statistics.fmean(map(abs, every)):6.2%}")


if __name__ == "__main__":
    main()
