"""The fast simulator equals the process-per-job one, for every policy, rule and interval."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.cluster import metrics
from simcore.models.cluster.policies import find_policy
from simcore.models.cluster.simulator import simulate

from tests import oracle
from tests.strategies import clusters, random_traces, rate_tables, rule_sets


@pytest.mark.parametrize("policy", list(oracle.POLICIES))
@settings(max_examples=200)
@given(
    trace=random_traces(),
    cluster=clusters(),
    rates=rate_tables(),
    rules=rule_sets(),
    interval=st.sampled_from((None, 16.0, 60.0)),
)
def test_equals_the_process_per_job_simulator(policy, trace, cluster, rates, rules, interval):
    log = simulate(trace, cluster, rates, find_policy(policy), interval=interval, rules=rules)
    segments = metrics.cut_segments(log, len(cluster.types))
    slow = oracle.run(trace, cluster, rates, policy, interval, rules)

    np.testing.assert_allclose(log.end, [job.end for job in slow], rtol=1e-9)
    for job in slow:
        mine = segments.row == job.row
        # decisions that are repeated at one time count as one
        placed = [now for now, after in pairwise(job.history) if now[0] != after[0]]
        np.testing.assert_allclose(segments.start[mine], [at for at, _ in placed], rtol=1e-9)
        expected = [gpus or (0,) * len(cluster.types) for _, gpus in placed]
        assert [tuple(row) for row in segments.gpus[mine].tolist()] == expected
