"""Timelines."""

from __future__ import annotations

import csv
import io
import itertools
import json

from simcore.timeline.slices import Slice, timeline_csv, trace_json

SLICES = [
    Slice("dimension 1", "reduce-scatter", 0.0, 2e-6, {"chunk": 0, "size": 8.0}),
    Slice("NPU", "compute", 0.0, 5e-6, {"layer": "Q1"}),
    Slice("dimension 1", "all-gather", 2e-6, 3e-6, {"chunk": 1, "size": 8.0}),
    Slice("dimension 1", "all-gather", 2.5e-6, 4e-6, {"chunk": 2, "size": 8.0}),
]


def events(text, phase):
    return [event for event in json.loads(text)["traceEvents"] if event["ph"] == phase]


def test_each_track_is_named_and_slices_lie_on_it_in_microseconds():
    text = trace_json(SLICES, "toy")
    names = {event["tid"]: event["args"]["name"] for event in events(text, "M") if event["name"] == "thread_name"}
    assert list(names.values()) == ["dimension 1", "dimension 1, lane 2", "NPU"]
    drawn = [(names[each["tid"]], each["name"], each["ts"], each["dur"]) for each in events(text, "X")]
    assert drawn == [
        ("dimension 1", "reduce-scatter", 0.0, 2.0),
        ("dimension 1", "all-gather", 2.0, 1.0),
        ("dimension 1, lane 2", "all-gather", 2.5, 1.5),
        ("NPU", "compute", 0.0, 5.0),
    ]


def test_no_two_slices_of_a_lane_overlap():
    found = sorted((each["tid"], each["ts"], each["dur"]) for each in events(trace_json(SLICES * 3, "toy"), "X"))
    for (lane, start, length), (other, later, _) in itertools.pairwise(found):
        assert lane != other or start + length <= later + 1e-9


def test_csv_has_a_column_per_argument():
    rows = list(csv.DictReader(io.StringIO(timeline_csv(SLICES))))
    assert list(rows[0]) == ["track", "name", "start_s", "end_s", "chunk", "size_B", "layer"]
    assert rows[1]["layer"] == "Q1"
    assert rows[1]["chunk"] == ""
    assert float(rows[2]["end_s"]) == 3e-6
