import json
from collections import defaultdict
from itertools import pairwise

import pytest
import simcore
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.timeline.cluster import cluster_timeline

# the second row is submitted first: under yarn-cs the first row takes over from it
LATE = build_trace(
    "late",
    ["late", "early", "third"],
    [500.0, 0.0, 10.5],
    [32000.0, 640000.0, 999.0],
    [JobClass("bert", 8, 4, True, "v100"), JobClass("bert", 8, 8, True, "v100"), JobClass("bert", 8, 2, True, "t4")],
)
CASES = {
    "published": {},
    "corrected": {"rules": "corrected"},
    "event": {"interval": "event"},
    "corrected, event": {"rules": "corrected", "interval": "event"},
    "takeover": {"trace": LATE},
    "takeover, corrected": {"trace": LATE, "rules": "corrected"},
    "takeover, event": {"trace": LATE, "interval": "event"},
    "short interval": {"trace": LATE, "interval": 0.1, "policies": ["yarn-cs"]},
    "rigid": {"trace": "synthetic:jobs=200,load=1.5", "policies": ["yarn-cs", "fifo"], "interval": "event"},
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def case(request):
    result = simcore.trace(**request.param)
    document = json.loads(result.timeline().trace)
    assert set(document) == {"displayTimeUnit", "traceEvents"}
    return result, document["traceEvents"]


def slices(events):
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], event["dur"], event["name"]))
    return {track: sorted(found) for track, found in tracks.items()}


def test_every_gpu_has_a_named_track(case):
    result, events = case
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    gpus = [f"{t} {i}" for t, n in zip(result.cluster.types, result.cluster.counts, strict=True) for i in range(n)]
    for pid, run in enumerate(result.runs, 1):
        assert [named[pid, tid] for tid in range(1, result.cluster.gpus + 1)] == gpus
        assert {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": run.policy}} in events
    assert len(named) == len(result.runs) * result.cluster.gpus
    assert set(slices(events)) <= set(named)


def test_slices_of_a_track_never_overlap(case):
    for found in slices(case[1]).values():
        assert all(isinstance(ts, int) and ts >= 0 and dur >= 0 for ts, dur, _ in found)
        assert all(a[0] + a[1] <= b[0] for a, b in pairwise(found))


def test_slices_add_up_to_the_gpu_seconds_of_jobs(case):
    result, events = case
    total = defaultdict(float)
    for (pid, _), found in slices(events).items():
        for _, dur, name in found:
            total[result.runs[pid - 1].policy, name] += dur / 1e6
    for row in result.jobs:
        held = sum(row[f"gpu_seconds_{t}"] for t in result.cluster.types)
        assert total[row["policy"], row["name"]] == pytest.approx(held, abs=1e-4)


def test_counters_stay_in_range_and_return_to_0(case):
    result, events = case
    counters = defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            (value,) = event["args"].values()
            counters[event["pid"], event["name"]].append((event["ts"], value))
    limits = {f"allocated {t}": n for t, n in zip(result.cluster.types, result.cluster.counts, strict=True)}
    limits["queued jobs"] = len(result.trace)
    assert {name for _, name in counters} == set(limits)
    for (_, name), samples in counters.items():
        assert samples == sorted(samples, key=lambda sample: sample[0])
        assert all(0 <= value <= limits[name] for _, value in samples)
        assert samples[-1][1] == 0


def test_a_takeover_is_seen():
    result = simcore.trace(LATE, policies=["yarn-cs"])
    assert result.jobs[1]["rescales"] == 2  # taken away, given back
    events = json.loads(result.timeline().trace)["traceEvents"]
    assert len({(e["ts"], e["dur"]) for e in events if e["ph"] == "X" and e["name"] == "early"}) == 2


def test_the_same_run_gives_the_same_timeline():
    first, second = (simcore.trace(LATE).timeline() for _ in range(2))
    assert first == second


def test_no_runs_no_events():
    assert cluster_timeline(LATE, Cluster("c", ("v100",), (1,)), [])["traceEvents"] == []
