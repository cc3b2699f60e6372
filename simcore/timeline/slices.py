"""Timelines: slices on tracks, as a trace that ui.perfetto.dev and chrome://tracing open, and as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from simcore.files import csv_text
from simcore.results import Timeline, with_units

Argument = str | float | int
_UNITS = {"start": "s", "end": "s", "size": "B", "queued": "s"}
"""Units of a slice and of the arguments that have one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Something that took a while.

    Attributes
    ----------
    track : str
        Where it is drawn: ``dimension 1, Ring 2``.
    name : str
        What it is: tracks colour by it.
    start, end : float
        When [s].
    arguments : mapping
        Shown when the slice is clicked on.
    """

    track: str
    name: str
    start: float
    end: float
    arguments: Mapping[str, Argument] = field(default_factory=dict)


def trace_json(slices: Iterable[Slice], title: str) -> str:
    """Write slices as a Chrome trace, which counts in microseconds.

    Viewers draw only nested slices on one track; where slices of a track overlap, further lanes take them.

    Parameters
    ----------
    slices : iterable of Slice
        In any order; tracks are drawn in the order in which they first come.
    title : str
        Name of the whole.

    Examples
    --------
    >>> text = trace_json([Slice("NPU", "compute", 0.0, 2e-6), Slice("NPU", "more", 1e-6, 3e-6)], "toy")
    >>> [event["tid"] for event in json.loads(text)["traceEvents"] if event["ph"] == "X"]
    [1, 2]
    """
    by_track: dict[str, list[Slice]] = {}
    for each in slices:
        by_track.setdefault(each.track, []).append(each)
    events: list[dict[str, object]] = [_meta("process_name", 0, {"name": title})]
    number = 0
    for track, on_track in by_track.items():
        lanes: list[float] = []
        drawn = []
        for each in sorted(on_track, key=lambda one: (one.start, one.end)):
            lane = next((i for i, end in enumerate(lanes) if end <= each.start * (1 + 1e-12)), len(lanes))
            lanes[lane : lane + 1] = [each.end]
            drawn.append(_event(each, number + lane + 1))
        for lane in range(len(lanes)):
            number += 1
            name = track if lane == 0 else f"{track}, lane {lane + 1}"
            events.append(_meta("thread_name", number, {"name": name}))
            events.append(_meta("thread_sort_index", number, {"sort_index": number}))
        events += drawn
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, allow_nan=False) + "\n"


def _event(each: Slice, track: int) -> dict[str, object]:
    # whole picoseconds on both ends: slices that touch must not overlap by a rounding
    start, end = round(each.start * 1e12), round(each.end * 1e12)
    microseconds = {"ts": start / 1e6, "dur": (end - start) / 1e6}
    return {"ph": "X", "pid": 1, "tid": track, "name": each.name, **microseconds, "args": dict(each.arguments)}


def _meta(name: str, track: int, arguments: Mapping[str, object]) -> dict[str, object]:
    return {"ph": "M", "pid": 1, "tid": track, "name": name, "args": dict(arguments)}


def timeline_csv(slices: Sequence[Slice]) -> str:
    """Write slices as CSV: track, name, start [s], end [s] and a column for each argument, units in the header."""
    keys = list(dict.fromkeys(key for each in slices for key in each.arguments))
    rows = [
        (each.track, each.name, each.start, each.end, *(each.arguments.get(key) for key in keys)) for each in slices
    ]
    return csv_text(with_units(["track", "name", "start", "end", *keys], _UNITS), rows)


def timeline(slices: Sequence[Slice], title: str) -> Timeline:
    """Return slices as the files of a timeline; `title` names the whole."""
    return Timeline(trace_json(slices, title), timeline_csv(slices))
