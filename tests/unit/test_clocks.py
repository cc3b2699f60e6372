"""The clock of a GPU, on a GPU that is made up: how many calls are timed, and that no call waits for the host.

That of calls on what was just written: which inputs they get, and how many calls there are.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from simcore.calibrate.measure import clocks


class Gpu:
    """Work is queued and takes its time; the host takes time to begin a call and waits when it synchronises."""

    def __init__(self, monkeypatch, seconds, begins=0.0, flush=120e-6):
        self.seconds, self.begins, self.flush = seconds, begins, flush
        self.host = self.device = 0.0
        self.calls = 0
        cuda = SimpleNamespace(Event=lambda enable_timing: Event(self), synchronize=self.synchronize)
        monkeypatch.setattr(clocks, "_torch", lambda: SimpleNamespace(cuda=cuda))
        monkeypatch.setattr(clocks, "_flush", lambda device, size: SimpleNamespace(add_=lambda _: self.queue(flush)))
        monkeypatch.setattr(clocks.time, "monotonic", lambda: self.host)

    def queue(self, seconds):
        self.device = max(self.device, self.host) + seconds

    def synchronize(self):
        self.host = max(self.host, self.device)

    def run(self, _):
        self.calls += 1
        self.host += self.begins
        self.queue(self.seconds)

    def timed(self, repeats, budget):
        return clocks.cuda_calls(self.run, [(0,), (1,)], repeats, budget, "cuda")


class Event:
    def __init__(self, gpu):
        self.gpu = gpu

    def record(self):
        self.at = max(self.gpu.device, self.gpu.host)

    def elapsed_time(self, end):
        return 1e3 * (end.at - self.at)


@pytest.mark.parametrize(
    ("seconds", "repeats", "budget", "calls"),
    [(1e-5, 9, 0.15, 9), (1e-5, 3, 0.15, 3), (1.0, 9, 0.15, 3), (0.03, 9, 0.15, 4), (0.02, 50, 0.5, 24)],
)
def test_the_budget_holds_for_each_case_and_not_for_each_batch(monkeypatch, seconds, repeats, budget, calls):
    gpu = Gpu(monkeypatch, seconds)
    found = gpu.timed(repeats, budget)
    assert len(found) == calls
    assert gpu.calls == calls + 2  # each set of inputs once before the clock starts
    assert found == pytest.approx(calls * [seconds])


def test_a_call_that_the_host_begins_slowly_is_not_timed_with_its_launch(monkeypatch):
    """The host needs longer to begin a call than writing the bytes takes: the GPU is kept busy beforehand."""
    assert Gpu(monkeypatch, 1e-5, begins=200e-6).timed(3, 0.15) == pytest.approx(3 * [1e-5])
    monkeypatch.setattr(clocks, "LEAD", 0)
    assert max(Gpu(monkeypatch, 1e-5, begins=200e-6).timed(3, 0.15)) > 5e-5


def test_inputs_that_were_just_written_are_fresh_copies_of_each_set_in_turn(monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(clocks, "WRITTEN", 2**12)
    pool = [(torch.arange(4),), (torch.arange(4) + 9,)]
    seen = []
    found = clocks.written_calls(seen.append, pool, 3, 60.0, None)
    assert len(found) == clocks.OFTEN * 3
    assert all(one is inputs[0] for one, inputs in zip(seen, pool, strict=False))  # each once before the clock starts
    assert not any(one is inputs[0] for one in seen[2:] for inputs in pool)
    assert [int(one[0]) for one in seen[2:]] == [9, 0, 9, 0, 9, 0, 9, 0, 9]
    assert len(clocks.written_calls(seen.append, pool, 3, 0.0, None)) == 3
