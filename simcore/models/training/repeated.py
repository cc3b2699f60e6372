"""Pipelines whose turns repeat: each turn that differs is simulated once, and the others follow without an event.

On links that its messages to other stages leave alone, a turn takes the same time for each micro-batch. Then the start
of a turn is the later of two times: the end of the one before it in its stage, and the arrival of the message that it
needs. Only the last turn of a stage differs: it starts the collectives of weight gradients. It is simulated on its own
clock, with whatever the stage has on its links.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from simpy.events import Event

from simcore.models.network.mapping import Axis
from simcore.models.network.simulation.network import Network
from simcore.models.network.transfers import TransferLeg
from simcore.models.training.execute import Log, Runner, Span, finish
from simcore.models.training.program import Step
from simcore.models.training.simulated import ChunkFabric
from simcore.models.training.workload import Pass

ONWARDS, BACK = "onwards", "back"
"""Channels of messages to the next stage and to the one before."""


class Box(NamedTuple):
    """When a message arrives and when it left [s], and the dimension that it took."""

    arrives: float
    left: float
    dimension: int | None


@dataclass(frozen=True)
class Lane:
    """One stage of a pipeline as what it does.

    Attributes
    ----------
    index : int
        Which one, from 0.
    layers : range
        Its layers.
    turns : sequence of (bool, int)
        Forward or backward, and the micro-batch.
    fabric : ChunkFabric
        The network of one of its NPUs.
    log : Log
        Where the time of this NPU is written down.
    kind : object
        Stages of one kind have equal programs.
    steps : callable
        Steps of a turn, forward or backward.
    last : callable
        Steps of the last turn, and those that wait for what it left open.
    legs : mapping of str to sequence of TransferLeg
        Route of its messages, by channel.
    """

    index: int
    layers: range
    turns: Sequence[tuple[bool, int]]
    fabric: ChunkFabric
    log: Log
    kind: object
    steps: Callable[[bool], Iterable[Step]]
    last: Callable[[], tuple[Iterable[Step], Iterable[Step]]]
    legs: dict[str, Sequence[TransferLeg]]


@dataclass(frozen=True)
class _Turn:
    """A turn that was simulated, from time 0: what it takes, and what its network counted."""

    seconds: float
    spans: tuple[Span, ...]
    network: Network


@dataclass(frozen=True)
class _Last:
    """The last turn of a stage, simulated from time 0: when it ended, and what it sent."""

    log: Log
    network: Network
    seconds: float
    box: Box | None


@dataclass
class _Links:
    """When the links of a dimension are free for messages [s], in all and by channel."""

    free: float = 0.0
    channels: dict[str, float] = field(default_factory=dict)


@dataclass
class _State:
    """A stage on its way."""

    now: float = 0.0
    position: int = 0
    held: int = 0
    most: int = 0
    links: dict[int, _Links] = field(default_factory=dict)
    counts: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    sent: dict[str, int] = field(default_factory=lambda: {ONWARDS: 0, BACK: 0})
    waits: dict[tuple[bool, int | None], float] = field(default_factory=dict)


class _Way:
    """How the messages of a stage leave in one direction."""

    __slots__ = ("_channel", "_leg", "_links", "_sent")

    def __init__(self, channel: str, state: _State, leg: TransferLeg | None) -> None:
        self._channel, self._leg, self._sent = channel, leg, state.sent
        self._links = _Links() if leg is None else state.links.setdefault(leg.dimension, _Links())

    def send(self, now: float) -> Box:
        """Send a message when a turn has ended."""
        leg, links, channel = self._leg, self._links, self._channel
        if leg is None:
            return Box(now, now, None)
        start = max(now, links.channels.get(channel, 0.0), links.free)
        links.free = max(now, links.free) + leg.work
        links.channels[channel] = start + leg.duration
        self._sent[channel] += 1
        return Box(start + leg.duration + leg.latency, now, leg.dimension)


def _arrival(state: _State, forward: bool, now: float, box: Box) -> float:
    """Return when a stage has its message, and note how long it waited for one that was under way."""
    arrived, left, dimension = box
    if arrived <= now:
        return now
    since = max(now, left)
    if arrived > since:
        key = forward, dimension
        state.waits[key] = state.waits.get(key, 0.0) + (arrived - since)
    return arrived


class Repeated:
    """A pipeline without a clock.

    Parameters
    ----------
    lanes : sequence of Lane
        Its stages.
    count : callable, optional
        Told of each turn.
    """

    def __init__(self, lanes: Sequence[Lane], count: Callable[[], None] | None) -> None:
        self.lanes, self.count, self.events = lanes, count, 0
        self.states = [_State() for _ in lanes]
        self._known: dict[tuple[int, bool], _Turn] = {}
        self._tails: dict[Any, _Last] = {}
        kinds = {lane.kind: number for number, lane in enumerate(lanes)}
        self._kinds = [kinds[lane.kind] for lane in lanes]  # a number: programs are long to compare
        self._boxes: list[dict[tuple[bool, int], Box]] = [{} for _ in lanes]
        self._ready, self._waiting = deque[int](), set[int]()

    def applies(self) -> bool:
        """Say whether turns repeat: nothing but messages is on the links of messages, and the last turn is backward.

        Turns are simulated to find out which links they use.
        """
        for lane in self.lanes:
            network = lane.fabric.network
            if network.ledger.record or not network.convention.shares_links or not lane.turns or lane.turns[-1][0]:
                return False
            if not network.schedule.__module__.startswith("simcore."):  # what a user's own one remembers is not known
                return False
            if any(len(legs) > 1 for legs in lane.legs.values()):
                return False
        return all(self._apart(lane) for lane in self.lanes)

    def run(self) -> bool:
        """Take all turns; say no where they wait for each other for ever."""
        going = [self._go(index) for index in range(len(self.lanes))]
        self._ready = deque(range(len(self.lanes)))
        while self._ready:
            next(going[self._ready.popleft()], None)
        if any(state.position < len(lane.turns) for lane, state in zip(self.lanes, self.states, strict=True)):
            return False
        for index in range(len(self.lanes)):
            self._write(index)
        return True

    def _apart(self, lane: Lane) -> bool:
        network = lane.fabric.network
        crossed = {leg.dimension for legs in lane.legs.values() for leg in legs}
        if any(network.topology.dimensions[d].port is not None for d in crossed):
            return False
        turns = [self._turn(lane, forward) for forward in (True, False)]
        used = {d for turn in turns for dimensions in turn.network.ran.values() for d in dimensions}
        return not crossed & used

    def _turn(self, lane: Lane, forward: bool) -> _Turn:
        """Simulate a turn of a kind of stage, once."""
        key = self._kinds[lane.index], forward
        if key not in self._known:
            fabric, log = _idle(lane.fabric), Log("a turn")
            clock = fabric.network.clock
            clock.process(Runner(clock, fabric, log).whole(lane.steps(forward)))
            finish(clock, [log])
            assert log.end is not None  # finish() has seen to that
            first = lane.layers[0]
            spans = tuple(replace(span, layer=span.layer - first) for span in log.spans)
            self._known[key] = _Turn(log.end, spans, fabric.network)
            self.events += clock.events
        return self._known[key]

    def _go(self, index: int) -> Iterator[None]:
        """Take the turns of a stage, and stop at each message that has not left yet: who sends it lets it go on.

        All turns of all stages pass here, so that little is looked up in the loop.
        """
        lane, state, last = self.lanes[index], self.states[index], len(self.lanes[index].turns) - 1
        seconds = {forward: self._turn(lane, forward).seconds for forward in (True, False)}
        ends = {True: index == 0, False: index == len(self.lanes) - 1}  # where no message comes from
        ways = {True: self._way(index, ONWARDS), False: self._way(index, BACK)}
        inbox, count, now = self._boxes[index], self.count, 0.0
        for position, (forward, batch) in enumerate(lane.turns):
            if not ends[forward]:
                key = forward, batch
                while key not in inbox:
                    self._waiting.add(index)
                    yield
                now = _arrival(state, forward, now, inbox.pop(key))
            way = ways[forward]
            if position == last:
                state.now = now
                box = self._last(index)
            else:
                now += seconds[forward]
                state.counts[forward] += 1
                box = None if way is None else way.send(now)
            state.held += 1 if forward else -1
            if state.held > state.most:
                state.most = state.held
            state.position += 1
            if box is not None:
                there = index + 1 if forward else index - 1
                self._boxes[there][forward, batch] = box
                if there in self._waiting:
                    self._waiting.remove(there)
                    self._ready.append(there)
            if count is not None:
                count()

    def _way(self, index: int, channel: str) -> _Way | None:
        """Return how messages of a stage leave; None where there is nobody to send them to."""
        if not 0 <= index + (1 if channel == ONWARDS else -1) < len(self.lanes):
            return None
        legs = self.lanes[index].legs[channel]
        state = self.states[index]
        return _Way(channel, state, legs[0] if legs else None)

    def _last(self, index: int) -> Box | None:
        """Simulate the last turn of a stage, with the collectives that outlive it."""
        lane, state = self.lanes[index], self.states[index]
        behind = {
            d: (max(0.0, links.free - state.now), {c: max(0.0, at - state.now) for c, at in links.channels.items()})
            for d, links in state.links.items()
        }
        key = (
            self._kinds[index],
            index > 0,
            tuple((d, free, tuple(sorted(at.items()))) for d, (free, at) in behind.items()),
        )
        if key not in self._tails:
            self._tails[key] = self._simulate_last(lane, behind)
        last, start = self._tails[key], state.now
        assert last.log.end is not None  # finish() has seen to that
        lane.log.end = start + last.log.end
        lane.log.spans += [
            replace(span, start=span.start + start, end=span.end + start, layer=span.layer + lane.layers[0])
            for span in last.log.spans
        ]
        lane.fabric.network.add(last.network)
        state.now += last.seconds
        return None if last.box is None else Box(start + last.box.arrives, start + last.box.left, last.box.dimension)

    def _simulate_last(self, lane: Lane, behind: Mapping[int, tuple[float, Mapping[str, float]]]) -> _Last:
        fabric, log = _idle(lane.fabric), Log("the last turn")
        clock, arrival, arrived, ended = fabric.network.clock, Event(fabric.network.clock), list[float](), list[float]()
        fabric.network.occupy(behind)
        assert arrival.callbacks is not None
        arrival.callbacks.append(lambda _: arrived.append(clock.now))

        def program() -> Generator[Event, Any, None]:
            runner, (steps, end) = Runner(clock, fabric, log), lane.last()
            yield from runner.run(steps)
            ended.append(clock.now)
            if lane.index > 0:
                fabric.send(lane.legs[BACK], BACK, "", arrival)
            yield from runner.whole(end)

        clock.process(program())
        finish(clock, [log])
        self.events += clock.events
        log.spans[:] = [replace(span, layer=span.layer - lane.layers[0]) for span in log.spans]
        return _Last(log, fabric.network, ended[0], _box(arrived[0], arrival) if arrived else None)

    def _write(self, index: int) -> None:
        """Write down what the turns of a stage took, all but the last."""
        lane, state = self.lanes[index], self.states[index]
        network = lane.fabric.network
        first = lane.layers[0]
        for forward, times in state.counts.items():
            turn = self._turn(lane, forward)
            if times:
                network.add(turn.network, times)
                lane.log.spans += [
                    replace(span, layer=span.layer + first, times=times * span.times) for span in turn.spans
                ]
        for channel, times in state.sent.items():
            for leg in lane.legs[channel] if times else ():
                network.busy[leg.dimension] += times * leg.work
                network.sent[leg.dimension] += times * leg.sent
        for (forward, dimension), seconds in state.waits.items():
            layer, part = (first, Pass.FORWARD) if forward else (lane.layers[-1], Pass.INPUT_GRADIENT)
            lane.log.spans.append(Span(0.0, seconds, layer, part, Axis.PIPELINE, dimension))


def _idle(fabric: ChunkFabric) -> ChunkFabric:
    """Return such a fabric with nothing under way, on a clock of its own."""
    network = fabric.network.idle_copy(fabric.network.algorithms)
    return ChunkFabric(network, fabric.groups, fabric.chunks, in_order=fabric.in_order, last_first=fabric.last_first)


def _box(arrived: float, event: Event) -> Box:
    """Return a message that has arrived, by the event that said so."""
    assert event.value is not None
    left, dimension = event.value
    return Box(arrived, left, dimension)
