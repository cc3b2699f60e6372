from __future__ import annotations

import pytest
from simcore.engine import PROGRESS_EVERY, Alarm, Clock


def test_absolute_times_do_not_drift():
    clock, seen = Clock(), []

    def ticks():
        for k in range(1, 1001):
            yield clock.at(k * 0.1)
            seen.append(clock.now)

    clock.process(ticks())
    clock.run()
    assert seen == [k * 0.1 for k in range(1, 1001)]
    assert clock.events == 1000 + 2  # and the start and the end of the process


@pytest.mark.parametrize("time", [-1.0, float("nan")])
def test_the_past_is_refused(time):
    with pytest.raises(ValueError, match="cannot schedule"):
        Clock().at(time)


@pytest.mark.parametrize(("first", "moved"), [(10.0, 5.0), (5.0, 10.0)])
def test_a_moved_alarm_wakes_once_at_its_last_time(first, moved):
    clock = Clock()
    alarm, woken = Alarm(clock), []

    def sleeper():
        alarm.move(first)
        yield alarm.event
        woken.append(clock.now)

    def mover():
        yield clock.at(2.0)
        alarm.move(moved)

    clock.process(sleeper())
    clock.process(mover())
    clock.run()
    assert woken == [moved]


def test_an_alarm_can_be_set_again_after_it_fired():
    clock = Clock()
    alarm, woken = Alarm(clock), []

    def sleeper():
        for time in (1.0, 2.5):
            alarm.move(time)
            yield alarm.event
            woken.append(clock.now)

    clock.process(sleeper())
    clock.run()
    assert woken == [1.0, 2.5]


def test_an_alarm_that_is_not_set_says_so():
    with pytest.raises(ValueError, match=r"call move\(\) first"):
        _ = Alarm(Clock()).event


def test_progress_is_reported_now_and_then():
    reports = []
    clock = Clock(reports.append)

    def ticks():
        for k in range(2 * PROGRESS_EVERY):
            yield clock.at(float(k))

    clock.process(ticks())
    clock.run()
    assert len(reports) == 3
    assert reports[-1] == 2 * PROGRESS_EVERY - 1
