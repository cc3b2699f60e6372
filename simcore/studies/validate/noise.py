"""How far measurements of one thing lie apart: from rows that repeat, and as sources publish it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simcore.studies.validate.rows import Held

MEASURED = frozenset({
    "row_id", "url_or_path", "licence", "year", "iteration_s", "samples_per_s", "tokens_per_s", "tokens_per_s_gpu",
    "model_tflops_gpu", "hw_tflops_gpu", "mfu_pct", "hfu_pct", "mem_gb", "time_us",
})  # fmt: skip
"""Columns that say what was measured, or where it stands; the others say what ran."""

_MEASURED = re.compile(
    r"^\d\d-\d\d;|(busbw|p10|p90|median of|published as|red_grads ?=)\s*[\d.]+( GB/s| logged step times)?|"
    r"(?<=intra-node), .*"
)
"""What a note says of one measurement: its day, spread and bandwidth, and of a collective the model that it is for."""


@dataclass(frozen=True)
class Published:
    """Noise that is published, or that a published log shows.

    Attributes
    ----------
    source, device : str
        What the column of sources begins with, and that of devices, in small letters.
    least, largest : float
        Relative spread, from the calmest to the worst runs.
    says : str
        Where it stands.
    """

    source: str
    device: str
    least: float
    largest: float
    says: str


PUBLISHED = (
    Published(
        "bigscience-workshop/bigscience", "a100", 0.06, 0.21,
        "BLOOM's chronicles: repeats of one configuration on 384 A100 differ by 6 % in the median, partly by changes "
        "of code",
    ),
    Published("bigscience-workshop/bigscience", "v100", 0.40, 0.40, "BigScience's notes on its V100 runs warn of 40 %"),
    Published(
        "mlcommons/training_results", "h100", 0.004, 0.05,
        "MLPerf Training v3.1 logs: step times within 0.4 % on 64 nodes, 5 % on 1,344"
    ),
    Published("pytorch/torchtitan", "h100", 0.10, 0.10, "torchtitan's benchmark pages: equal rows differ by 10 %"),
)  # fmt: skip
"""Noise of sources that seldom repeat a row."""


def published(source: str, devices: Iterable[str] = ("",)) -> list[Published]:
    """Return what is published of the noise of a source on some devices.

    Examples
    --------
    >>> [each.least for each in published("pytorch/torchtitan@b5bcd76c", ["h100_96gb_hbm2e_500w"])]
    [0.1]
    """
    names = [device.lower() for device in devices]
    of = [each for each in PUBLISHED if source.lower().startswith(each.source)]
    return [each for each in of if any(device.startswith(each.device) for device in names)]


def setting(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a row says of what ran: rows that are equal in it repeat one measurement.

    Examples
    --------
    >>> setting({"device": "a100", "iteration_s": "2.1", "note": "02-23; busbw 3.2 GB/s; recompute"})
    ('a100', '; recompute')
    """
    return tuple(
        " ".join(_MEASURED.sub("", value).split()) if name == "note" else value
        for name, value in row.items()
        if name not in MEASURED
    )


def spread(times: Sequence[float]) -> float:
    """Return the mean absolute deviation of times from their median, relative to it.

    Examples
    --------
    >>> spread([2.0, 1.0, 3.0, 2.0])
    0.25
    """
    middle = statistics.median(times)
    return statistics.fmean(abs(time - middle) for time in times) / middle


def repeats(rows: Iterable[Held], settings: Iterable[tuple[str, ...]]) -> list[tuple[Held, float]]:
    """Return the spread of rows that are equal in all but the measurement, each beside the first row of its set.

    Rows whose times are all the same are one measurement that is written down several times, and are left out.

    Examples
    --------
    >>> row = Held("1", "mine", "h100", "bf16", "pretrain", measured=2.0)
    >>> twice = repeats([row, Held("2", "mine", "h100", "bf16", "pretrain", measured=3.0)], [("7b",), ("7b",)])
    >>> [(first.row_id, relative) for first, relative in twice]
    [('1', 0.2)]
    """
    sets: dict[tuple[str, ...], list[tuple[Held, float]]] = {}
    for row, what in zip(rows, settings, strict=True):
        if row.measured is not None and row.measured > 0:
            sets.setdefault(what, []).append((row, row.measured))
    times = [(each[0][0], [time for _, time in each]) for each in sets.values()]
    return [(first, spread(of)) for first, of in times if len(set(of)) > 1]


def noise_of(spreads: Sequence[float]) -> float | None:
    """Return the median of the spread over sets of equal rows; None where no rows repeat."""
    return statistics.median(spreads) if spreads else None
