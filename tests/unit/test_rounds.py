"""The end of a pipeline's last turn, over arrays: what playing every turn gives."""

import random

import pytest
from simcore.errors import RunError
from simcore.models.training.parallel import rounds
from simcore.models.training.parallel.orders import Kind, Pipelined, Turn, turns_of
from simcore.models.training.parallel.rounds import last_end, written
from simcore.models.training.parallel.stages import Sent, StageTimes, play

CHUNKS = {"looped": 2, "interleaved": 3, "ZBV": 2, "DualPipeV": 2}
ORDERS = ["GPipe", "1F1B", "looped", "interleaved", "zero-bubble", "ZBV", "DualPipeV"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sent", [Sent(), Sent(0.1, 0.02, 0.05), Sent(1.0, 0.5, 0.8)])
def test_it_is_what_playing_gives(order, sent):
    chance = random.Random(7)
    for ranks in (2, 3, 4, 8):
        for times in (2, 5):
            size = Pipelined(ranks, times * ranks, CHUNKS.get(order, 1))
            stages = [StageTimes(*(chance.uniform(0.5, 1.5) for _ in range(3))) for _ in range(ranks * size.chunks)]
            whole = play(order, size, turns_of(order, size), stages, sent).seconds
            assert last_end(order, size, stages, sent) == pytest.approx(whole, rel=1e-12)


def test_ranks_that_wait_for_each_other_are_an_error(monkeypatch):
    table = [[Turn(Kind.BACKWARD, 0, 0)], [Turn(Kind.FORWARD, 0, 0)]]
    monkeypatch.setattr(rounds, "turns_of", lambda order, size: table)
    written.cache_clear()
    with pytest.raises(RunError, match="wait for each other"):
        last_end("1F1B", Pipelined(2, 1), 2 * [StageTimes(1.0, 1.0, 1.0)], Sent())
    written.cache_clear()
