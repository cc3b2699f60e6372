"""Runs programs on a network, and writes down where the time goes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from simpy.events import Event

from simcore.engine import Clock
from simcore.errors import RunError
from simcore.models.network.mapping import Axis
from simcore.models.training.program import Compute, Issue, Step
from simcore.models.training.workload import Pass

#: Dimensions whose busy times agree to this share of the largest tie.
TIE = 0.01


def busiest(times: Mapping[int, float]) -> tuple[int, ...]:
    """Return the dimensions that are busy longest, innermost first, those that tie with the longest included.

    Examples
    --------
    >>> busiest({0: 1.0, 1: 0.5, 2: 0.999}), busiest({})
    ((0, 2), ())
    """
    most = max(times.values(), default=0.0)
    return tuple(d for d, time in times.items() if time >= most * (1 - TIE))


class Fabric(Protocol):
    """Whatever carries the collectives of a program: chunks in queues, or fluid flows on links."""

    def issue(self, issue: Issue) -> Event:
        """Start a collective now; the event fires when it has ended."""

    def limit(self, issue: Issue) -> tuple[int, ...]:
        """Return the dimensions (from 0) that held up a collective that has ended, several where they tie.

        Asked once for each, so that a fabric may forget it then.
        """


@dataclass(frozen=True)
class Span:
    """Something that an NPU did, or waited for.

    Attributes
    ----------
    start, end : float
        When [s].
    layer : int
        Index of the layer, from 0.
    part : Pass
        Where in the iteration.
    axis : Axis or None
        Group of the collective that was waited for; None for compute.
    dimension : int or None
        Dimension (from 0) that held this collective up: its busiest.
    ties : tuple of int
        Other dimensions that were as busy, to `TIE`.
    times : int
        How many equal ones it stands for; its times are those of the first then.
    """

    start: float
    end: float
    layer: int
    part: Pass
    axis: Axis | None = None
    dimension: int | None = None
    ties: tuple[int, ...] = ()
    times: int = 1

    @property
    def seconds(self) -> float:
        """How long, in all that it stands for [s]."""
        return (self.end - self.start) * self.times


@dataclass
class Log:
    """What one NPU did.

    Attributes
    ----------
    name : str
        Who it is, for messages.
    spans : list of Span
        In order of time.
    waiting : str
        What it waits for; empty while it does not.
    end : float or None
        When its program ended [s].
    """

    name: str
    spans: list[Span] = field(default_factory=list)
    waiting: str = ""
    end: float | None = None

    def total(self, *, axis: Axis | None) -> float:
        """Return the time of all compute (axis None), or of all waiting for collectives of a group [s]."""
        return sum(span.seconds for span in self.spans if span.axis is axis)


class Runner:
    """Takes the steps of programs for one NPU.

    Parameters
    ----------
    clock : Clock
        The simulation's clock.
    fabric : Fabric
        The network, as this NPU sees it.
    log : Log
        Where its time is written down.
    """

    def __init__(self, clock: Clock, fabric: Fabric, log: Log) -> None:
        self.clock, self.fabric, self.log = clock, fabric, log
        self._open: dict[int, tuple[Event, Issue]] = {}

    def run(self, steps: Iterable[Step]) -> Generator[Event, Any, None]:
        """Take steps one after the other; collectives that nothing waits for are left open."""
        clock = self.clock
        for step in steps:
            start = clock.now
            if isinstance(step, Compute):
                yield clock.at(start + step.seconds)
                self.log.spans.append(Span(start, clock.now, step.layer, step.part))
            elif isinstance(step, Issue):
                self._open[step.key] = self.fabric.issue(step), step
            else:
                event, issue = self._open.pop(step.key)
                if not event.processed:
                    whose = f"the {issue.axis.value} {issue.collective.value} of layer {issue.layer + 1}"
                    yield from self.wait(event, f"{whose}, {issue.part.value}")
                limits = self.fabric.limit(issue)
                if clock.now > start:
                    what = issue.layer, issue.part, issue.axis
                    self.log.spans.append(Span(start, clock.now, *what, limits[0] if limits else None, limits[1:]))

    def wait(self, event: Event, what: str) -> Generator[Event, Any, None]:
        """Wait for an event, with a note of what it is for whoever asks."""
        self.log.waiting = what
        yield event
        self.log.waiting = ""

    def receive(self, event: Event, what: str, layer: int, part: Pass) -> Generator[Event, Any, None]:
        """Wait for a message of another pipeline stage; only what it is under way is written down, see `Span`.

        Its event's value is when it left [s], and the dimension that it took longest in.
        """
        start = self.clock.now
        yield from self.wait(event, what)
        assert event.value is not None
        departed, slowest = event.value
        now, since = self.clock.now, max(start, departed)
        if now > since:
            self.log.spans.append(Span(since, now, layer, part, Axis.PIPELINE, slowest))

    def whole(self, steps: Iterable[Step]) -> Generator[Event, Any, None]:
        """Take all steps of a program, and note the end."""
        yield from self.run(steps)
        self.log.end = self.clock.now


def finish(clock: Clock, logs: Sequence[Log]) -> None:
    """Run a simulation until nothing is left to do, and make sure that all have come to their end.

    Raises
    ------
    RunError
        If some wait for ever; the message names them and what they wait for.
    """
    clock.run()
    stuck = [log for log in logs if log.end is None]
    if stuck:
        listed = "; ".join(f"{log.name} waits for {log.waiting or 'nothing it has named'}" for log in stuck[:8])
        more = f"; and {len(stuck) - 8} more" if len(stuck) > 8 else ""
        remedy = "Let a program start or send what is waited for, or take the wait out."
        raise RunError(f"deadlock after {clock.now:.9g} s of simulated time: {listed}{more}. {remedy}")
