"""The SimPy clock of every simulator here: exact wake-up times, one movable alarm, event counts, progress.

This is the only file that touches SimPy's insides. SimPy schedules by delay, ``now + delay``, and a sum of delays
drifts off the grid of a scheduler that decides every 0.1 s; `Clock.at` schedules by absolute time, so that tick ``k``
is the float ``k * interval`` exactly. An alarm that moves leaves no event behind that anything waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappush
from typing import Any

import simpy
from simpy.core import SimTime
from simpy.events import NORMAL, Event

PROGRESS_EVERY = 256

ProcessGenerator = Generator[Event, Any, Any]


class Clock(simpy.Environment):
    """A SimPy environment that counts its events and can schedule at an absolute time.

    Parameters
    ----------
    progress : callable, optional
        Called with the simulated time [s] every 256 events of a run to the end, and at the end.

    Examples
    --------
    >>> clock = Clock()
    >>> def ticks():
    ...     for k in range(1, 4):
    ...         yield clock.at(k * 0.1)
    >>> done = clock.process(ticks())
    >>> clock.run()
    >>> clock.now == 3 * 0.1, clock.events
    (True, 5)
    """

    def __init__(self, progress: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self._progress = progress
        self._looks = 0
        self._jumps = 0

    @property
    def events(self) -> int:
        """Events processed so far: the cost that no machine's noise touches."""
        # numbers given less waiting events: counting in step() would add a third to the cost of an event. Looking at
        # SimPy's counter takes a number from it
        self._looks += 1
        return next(self._eid) - (self._looks - 1) - len(self._queue)

    def run(self, until: SimTime | Event | None = None) -> Any:
        """Run until the given time or event, or until nothing is left; report progress now and then."""
        if self._progress is None or until is not None:
            return super().run(until)
        queue = self._queue
        while queue:
            for _ in range(PROGRESS_EVERY):
                if not queue:
                    break
                self.step()
            self._progress(self.now)
        return None

    def at(self, time: float) -> Event:
        """Return an event that fires at exactly `time` [s].

        Raises
        ------
        ValueError
            If `time` has passed.
        """
        if not time >= self._now:
            raise ValueError(f"cannot schedule at {time} s: the clock stands at {self._now} s")
        event = Event(self)
        event._ok = True
        event._value = None
        heappush(self._queue, (time, NORMAL, next(self._eid), event))
        return event

    def jump(self, time: float) -> bool:
        """Stand at `time` [s] at once, if nothing is scheduled, and count it as an event; tell whether that was done.

        A process that is alone need not be put to sleep and woken: that is a third of the cost of a short event.

        Examples
        --------
        >>> clock = Clock()
        >>> clock.jump(2.0), clock.now, clock.events
        (True, 2.0, 1)
        """
        if self._queue:
            return False
        self._now = time
        next(self._eid)
        self._jumps += 1
        if self._progress is not None and not self._jumps % PROGRESS_EVERY:
            self._progress(time)
        return True

    def again(self, event: Event, time: float) -> None:
        """Schedule an event that has fired once more, at exactly `time` [s]: cheaper than a new one."""
        event.callbacks = []
        heappush(self._queue, (time, NORMAL, next(self._eid), event))


class Alarm:
    """One wake-up call that can be moved, for one process to wait on.

    Moving it hands the waiting process over to the new event; the old one stays in SimPy's queue, wakes nobody, and
    costs one event when its time comes.

    Examples
    --------
    >>> clock = Clock()
    >>> alarm = Alarm(clock)
    >>> woken = []
    >>> def sleeper():
    ...     alarm.move(10.0)
    ...     yield alarm.event
    ...     woken.append(clock.now)
    >>> def mover():
    ...     yield clock.at(2.0)
    ...     alarm.move(5.0)
    >>> _ = clock.process(sleeper()), clock.process(mover())
    >>> clock.run()
    >>> woken
    [5.0]
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event: Event | None = None

    @property
    def event(self) -> Event:
        """The event to yield; valid until it fires."""
        if self._event is None:
            raise ValueError("the alarm is not set: call move() first")
        return self._event

    def move(self, time: float) -> Event:
        """Set the alarm to `time` [s], wherever it stood before, and return the event to yield."""
        old = self._event
        if old is not None and old.callbacks is None and time >= self._clock.now:  # fired
            self._clock.again(old, time)
            return old
        new = self._clock.at(time)
        if old is not None and old.callbacks:  # not fired yet, and somebody waits
            new.callbacks, old.callbacks = old.callbacks, []
        self._event = new
        return new
