"""Cost as counts, which no machine's noise touches."""

from __future__ import annotations

import pytest
import simcore

JOBS = 20_000


@pytest.mark.parametrize(("interval", "limit"), [(60, 0.1), ("event", 3.0)])
def test_events_per_rigid_job(interval, limit):
    result = simcore.trace(f"synthetic:jobs={JOBS},load=0.9", policies=["fifo"], cluster="v100-4096", interval=interval)
    assert result.provenance.counts["events_fifo"] <= limit * JOBS


@pytest.mark.parametrize("policy", ["yarn-cs", "fifo", "easyscale-homo", "easyscale-heter"])
@pytest.mark.parametrize("rules", ["published", "corrected"])
def test_one_event_per_round_in_which_something_changes(policy, rules):
    result = simcore.trace(policies=[policy], rules=rules)
    log, interval = result.runs[0].log, 60
    arrivals = {-(-int(t) // interval) * interval for t in result.trace.submit}
    rounds = set(log.time) | set(log.release) | arrivals
    assert log.events <= len(rounds) + 10


def test_an_idle_month_costs_nothing():
    """Rounds in which nothing can change are skipped, however many there are."""
    from simcore.models.cluster.jobs import JobClass, build_trace

    job = JobClass("bert", 8, 4, True, "v100")
    trace = build_trace("idle", ["a", "b"], [0.0, 30 * 86_400.0], [3200.0, 3200.0], [job, job])
    for policy in ("fifo", "easyscale-heter"):
        result = simcore.trace(trace, policies=[policy])
        assert result.provenance.counts[f"events_{policy}"] < 30


def test_a_round_costs_in_proportion_to_the_jobs_that_run(monkeypatch):
    """A grant looks at the wishes of running jobs, not at the queue: its arrays stay within twice their number."""
    from simcore.models.cluster.policies.easyscale import policy as easyscale

    sizes = []
    original = easyscale._Wishes.grant

    def spy(self, free):
        sizes.append((len(self._row), len(self._slot)))
        return original(self, free)

    monkeypatch.setattr(easyscale._Wishes, "grant", spy)
    simcore.trace("synthetic-elastic:jobs=3000,load=3", policies=["easyscale-heter"])
    peak = max(running for _, running in sizes)
    assert peak <= 64  # one GPU each at least
    assert max(size for size, _ in sizes) <= max(64, 2 * peak)
