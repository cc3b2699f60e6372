"""Messages on the links of one dimension, hop by hop: the convention `astra-sim-2-aware`.

A link sends one message at a time. The others wait, first in, first out. A message is stored and forwarded whole at
each hop, so two hops through a switch take twice the bandwidth term. Chunks in flight meet on the links instead of
multiplying them.

Where all NPUs do the same, one NPU and its links stand for all. Halving-doubling over a ring is not the same for all,
and there every NPU is simulated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.algorithms import Algorithm, steps
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import ASTRA_SIM_2_AWARE
from simcore.models.network.conventions.astra import NANOSECOND, link_latency, messages
from simcore.models.network.simulation.log import LoggedPhase
from simcore.models.network.topology import Block, Dimension

Call = Callable[[], None]


class Messages:
    """A collective in one dimension as messages between its NPUs.

    Parameters
    ----------
    clock : Clock
        Runs it; times are whole nanoseconds.
    dimension : Dimension
        Block, size and link latency.
    bandwidth : float
        Bandwidth of one NPU [B/s].
    algorithm : Algorithm
        What the NPUs send to whom.
    collective : Collective
        The operation.
    chunks : sequence of int
        Input of each chunk [B].
    in_flight : int
        Chunks that an NPU has under way at once.

    Attributes
    ----------
    done : simpy.Event
        Succeeds when every NPU has finished every chunk.
    log : list of LoggedPhase
        The chunks of NPU 0, which runs each in one phase.
    """

    def __init__(
        self,
        clock: Clock,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        collective: Collective,
        chunks: Sequence[int],
        in_flight: int = 1,
    ) -> None:
        self.clock, self.dimension, self.chunks = clock, dimension, chunks
        self.n = dimension.size
        self._rate = ASTRA_SIM_2_AWARE.link_bandwidth(dimension, bandwidth)
        self._latency = link_latency(dimension)
        self._direct = collective is Collective.ALL_TO_ALL or algorithm is Algorithm.DIRECT
        self._ring = not self._direct and algorithm is Algorithm.RING
        self._steps = [step.distance for step in steps(algorithm, collective, self.n) for _ in range(step.times)]
        self._sizes = {
            size: [
                (message, reduced)
                for step, message, reduced in messages(algorithm, collective, self.n, size)
                for _ in range(step.times)
            ]
            for size in set(chunks)
        }
        self._mirrored = not self._direct and not self._ring
        self._npus = 1 if self._alike() else self.n
        self._free: dict[tuple[int, int], int] = {}
        self._sending: dict[tuple[int, int], int] = {}
        self._received: dict[tuple[int, int, int], int] = {}
        self._at_step: dict[tuple[int, int], int] = {}
        self._waiting = [deque(range(len(chunks))) for _ in range(self._npus)]
        self._left = len(chunks) * self._npus
        self._operation, self._started = collective, [0.0] * len(chunks)
        self._sent, self.log = 0, list[LoggedPhase]()
        self.done = Event(clock)
        for npu in range(self._npus):
            for _ in range(min(in_flight, len(chunks))):
                self._start(npu)

    @property
    def busy(self) -> float:
        """How long the busiest link sends [s]."""
        return max(self._sending.values(), default=0) * NANOSECOND

    @property
    def sent(self) -> float:
        """Bytes that left one NPU in the mean, what it forwarded included [B]."""
        return self._sent / self._npus

    def _alike(self) -> bool:
        """Say whether all NPUs do the same: partners of halving-doubling send in both directions of a ring."""
        return not self._mirrored or self.dimension.block is not Block.RING

    def _later(self, delay: int, call: Call) -> None:
        event = self.clock.at((round(self.clock.now / NANOSECOND) + delay) / 1e9)
        assert event.callbacks is not None
        event.callbacks.append(lambda _: call())

    def _start(self, npu: int) -> None:
        if self._waiting[npu]:
            chunk = self._waiting[npu].popleft()
            self._at_step[npu, chunk] = -1  # a message that comes before it has begun waits
            if npu == 0:
                self._started[chunk] = self.clock.now
            self._later(ASTRA_SIM_2_AWARE.per_phase, lambda: self._next(npu, chunk, 0))

    def _send(self, npu: int, chunk: int) -> None:
        """Send the messages of a chunk's step; what has arrived before it was waited for counts at once."""
        step = self._at_step[npu, chunk]
        size, _ = self._sizes[self.chunks[chunk]][step]
        for peer in self._peers(npu, self._steps[step]):
            route = [self._link(*ends) for ends in self._route(npu, peer)]
            self._hop(route, size, peer if self._npus > 1 else npu, chunk, step)
        self._check(npu, chunk)

    def _peers(self, npu: int, distance: int) -> Iterator[int]:
        if self._direct:
            return ((npu + offset) % self.n for offset in range(1, self.n))
        return iter(((npu + 1) % self.n,)) if self._ring else iter((npu ^ distance,))

    def _route(self, source: int, target: int) -> list[tuple[int, int]]:
        """Return the links of the shortest route, clockwise where both are as long; node n is the switch."""
        block, n = self.dimension.block, self.n
        if block is Block.FULLY_CONNECTED:
            return [(source, target)]
        if block is Block.SWITCH:
            return [(source, n), (n, target)]
        ahead = (target - source) % n
        direction = 1 if 2 * ahead <= n else -1
        nodes = [(source + direction * k) % n for k in range(min(ahead, n - ahead) + 1)]
        return list(pairwise(nodes))

    def _link(self, start: int, end: int) -> tuple[int, int]:
        """Return the link that stands for all that NPUs use alike, or the link itself."""
        if self._npus > 1:
            return start, end
        if self.n in (start, end):  # up to the switch, or down
            return (0, self.n) if end == self.n else (self.n, 0)
        return 0, start ^ end if self._mirrored else (end - start) % self.n

    def _hop(self, route: list[tuple[int, int]], size: int, target: int, chunk: int, step: int) -> None:
        """Wait for the first link of the route, send, and go on when the whole message has arrived."""
        now = round(self.clock.now / NANOSECOND)
        start = max(now, self._free.get(route[0], 0))
        occupied = int(size / self._rate)
        self._free[route[0]] = start + occupied
        self._sending[route[0]] = self._sending.get(route[0], 0) + occupied
        if route[0][0] < self.n:
            self._sent += size
        arrival = start + int(self._latency + size / self._rate)
        if len(route) > 1:
            self._later(arrival - now, lambda: self._hop(route[1:], size, target, chunk, step))
        else:
            self._later(arrival - now, lambda: self._arrive(target, chunk, step))

    def _arrive(self, npu: int, chunk: int, step: int) -> None:
        key = npu, chunk, step
        self._received[key] = self._received.get(key, 0) + 1
        if self._at_step.get((npu, chunk)) == step:
            self._check(npu, chunk)

    def _check(self, npu: int, chunk: int) -> None:
        """Go to the next step once all messages of this one are here."""
        step = self._at_step[npu, chunk]
        if self._received.get((npu, chunk, step), 0) < (self.n - 1 if self._direct else 1):
            return
        del self._received[npu, chunk, step]
        self._at_step[npu, chunk] = -1  # reducing: a message of the next step waits
        _, reduced = self._sizes[self.chunks[chunk]][step]
        delay = ASTRA_SIM_2_AWARE.per_step + ASTRA_SIM_2_AWARE.reduction(reduced)
        self._later(delay, lambda: self._next(npu, chunk, step + 1))

    def _next(self, npu: int, chunk: int, step: int) -> None:
        if step < len(self._steps):
            self._at_step[npu, chunk] = step
            self._send(npu, chunk)
            return
        self._left -= 1
        if npu == 0:
            start, size = self._started[chunk], self.chunks[chunk]
            self.log.append(LoggedPhase("", chunk, 0, self._operation, size, 0.0, start, self.clock.now))
        self._start(npu)
        if self._left == 0:
            self.done.succeed(self.clock.now)
