"""Networks written as one line: ``Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us``.

Apart from `simcore.readers.networks`, because no schema library is needed here: a command on such a network starts
without one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import InputError, did_you_mean, shortened
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import Mesh
from simcore.models.network.topology import Block, Dimension, Port, Topology
from simcore.numerals import MOST_DIGITS, as_real, as_whole
from simcore.units import parse

_BLOCKS = {
    "ring": Block.RING,
    "fc": Block.FULLY_CONNECTED,
    "fullyconnected": Block.FULLY_CONNECTED,
    "switch": Block.SWITCH,
}
_NAMES = ["Ring", "FC", "FullyConnected", "Switch"]
_CLOSE = 0.65
"""How much alike a block and a word must be for a suggestion: FT is a fat tree, and no slip of FC."""
_EXAMPLE = "Ring(4)@200GB/s,500ns x Switch(8)@50GB/s,1us"
_LIKE = f"Write it like {_EXAMPLE}."
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z]+")
_SIZE = re.compile(r"[0-9]+")
_QUANTITY = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?(?:\s*[^\s,xX×@\d][^\s,xX×@]*)?")
_PORT = re.compile(r"[A-Za-z_][A-Za-z_-]*")
_IS, _OVER, _FACTOR = re.compile("="), re.compile("/"), re.compile(r"[0-9.]+")
_BETWEEN = re.compile(r"[xX×]")
MOST_NPUS = 2**31


@dataclass(frozen=True)
class NetworkSpec:
    """What is said of a network.

    Attributes
    ----------
    topology : Topology
        Its dimensions.
    bandwidths : tuple of float or None
        Per dimension [B/s per NPU], innermost first; None where they are free to choose.
    notes : tuple of str
        What a reader of a simulation on it must know of the file.
    of_bandwidth : tuple of str
        The same of its bandwidths, where they are used.
    collectives : CollectiveProfile or None
        What collectives take on it, where that was measured.
    mesh : Mesh or None
        Links between the GPUs of a node, where they are no switch.
    """

    topology: Topology
    bandwidths: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    of_bandwidth: tuple[str, ...] = ()
    collectives: CollectiveProfile | None = None
    mesh: Mesh | None = None


def check_npus(sizes: Sequence[int], place: str) -> None:
    """Refuse a network of more than 2^31 NPUs.

    Parameters
    ----------
    sizes : sequence of int
        NPUs along each dimension.
    place : str
        What gave them, for messages.

    Raises
    ------
    InputError
        Naming the dimensions that make it so.

    Examples
    --------
    >>> check_npus([2**20, 2**12], "big.yaml")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: big.yaml: found more than 2,147,483,648 NPUs in 2 dimensions, expected a network of at...
    """
    npus = 1
    for dimensions, size in enumerate(sizes, 1):
        npus *= size
        if npus > MOST_NPUS:
            found = f"more than {MOST_NPUS:,} NPUs in {dimensions} dimension{'s' if dimensions > 1 else ''}"
            raise InputError(place, found, f"a network of at most {MOST_NPUS:,} NPUs")


def is_network_string(text: str) -> bool:
    """Return whether a network is written out, not named.

    Examples
    --------
    >>> is_network_string("Ring(4)@200GB/s"), is_network_string("4D")
    (True, False)
    """
    return "(" in text or "@" in text


def parse_network(text: str, place: str = "network") -> NetworkSpec:
    """Read a network that is written as one line.

    Parameters
    ----------
    text : str
        Dimensions from the inside out, joined by ``x``: ``BLOCK(SIZE)@BANDWIDTH`` or
        ``BLOCK(SIZE)@BANDWIDTH,LATENCY``, where BLOCK is Ring, FC, FullyConnected or Switch, BANDWIDTH what one NPU
        has into the dimension over all its links there in one direction, and LATENCY that of one link. Levels of
        switches behind one port have ``@NAME=BANDWIDTH`` and then ``@NAME``, or ``@NAME/4`` with oversubscription.
    place : str
        What gave the text, for messages.

    Returns
    -------
    NetworkSpec
        The topology is named by the text.

    Raises
    ------
    InputError
        With a caret under the place that does not parse.

    Examples
    --------
    >>> network = parse_network("Ring(4)@200GB/s,500ns x FC(8)@140GiB/s")
    >>> [str(dimension.block) for dimension in network.topology.dimensions], network.topology.npus
    (['Ring', 'FullyConnected'], 32)
    >>> network.topology.dimensions[0].latency, network.bandwidths
    (5e-07, (200000000000.0, 150323855360.0))
    >>> parse_network("Ring(4)@200GB/s x FC(8)")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: network, column 24: found FC(8) without a bandwidth, expected @ and ...
    """
    return _Line(text, place).read()


def network_text(topology: Topology, bandwidths: Sequence[float], place: str = "network") -> str:
    """Write a network with its bandwidths [B/s] as the line that `parse_network` reads.

    Raises
    ------
    InputError
        If several of its dimensions share a port, or rings have no rails: its bandwidths are no free choice.

    Examples
    --------
    >>> network = parse_network("Ring(4)@200GB/s,500ns x FC(8)@50GB/s")
    >>> network_text(network.topology, network.bandwidths)
    'Ring(4)@200GB/s,500ns x FullyConnected(8)@50GB/s'
    """
    if any(one.port is not None or not one.rails for one in topology.dimensions):
        found = f"{topology.name}, whose dimensions share ports"
        raise InputError(place, found, "dimensions of their own, to split a budget over", "Leave the budget out.")
    return " x ".join(
        f"{one.block.value}({one.size})@{bandwidth / 1e9:.12g}GB/s"
        + (f",{one.latency * 1e9:.12g}ns" if one.latency else "")
        for one, bandwidth in zip(topology.dimensions, bandwidths, strict=True)
    )


class _Line:
    """A network written out, and how far it was read."""

    def __init__(self, text: str, place: str) -> None:
        self.text, self.place, self.at = text, place, 0

    def read(self) -> NetworkSpec:
        dimensions, bandwidths = [], []
        self.left: dict[str, float] = {}  # of each port, at the level that was read last
        self.ports: dict[str, Port] = {}
        while True:
            dimension, bandwidth = self._dimension()
            dimensions.append(dimension)
            bandwidths.append(bandwidth)
            self._blank()
            if self.at == len(self.text):
                break
            if not self._taken(_BETWEEN):
                raise self._error(self._rest(), "'x' and another dimension, or the end")
        name = " x ".join(re.split(r" [xX] ", self.text.replace("×", "x"))).strip()
        topology = Topology(name, tuple(dimensions), "given")
        try:
            check_npus([each.size for each in dimensions], "")
        except InputError as error:
            self.at = 0
            raise self._error(error.found, error.expected) from None
        return NetworkSpec(topology, tuple(bandwidths))

    def _dimension(self) -> tuple[Dimension, float]:
        self._blank()
        first = self.at
        name = self._taken(_NAME)
        if name is None:
            raise self._error(self._rest(), "a dimension")
        if name.lower() not in _BLOCKS:
            self.at = first
            raise self._error(f"'{name}'", f"one of {', '.join(_NAMES)}", did_you_mean(name, _NAMES, _CLOSE))
        self._expect("(", f"( and the number of NPUs, such as {name}(8)")
        number = self._at()
        size = self._taken(_SIZE)
        npus = as_whole(size)
        if npus is None or npus < 1:
            self.at = number
            expected = f"a number of NPUs of at least 1 and at most {MOST_DIGITS} digits"
            shown = f"'{shortened(size, 60)}'" if size else self._rest()
            raise self._error(shown, expected, f"Write {name}(8).")
        self._expect(")", "a closing bracket")
        self._blank()
        if not self._taken(re.compile("@")):
            found = f"{name}({size}) without a bandwidth"
            raise self._error(found, "@ and what one NPU has into the dimension", f"Write {name}({size})@50GB/s.")
        port, bandwidth = self._sending()
        latency = 0.0
        self._blank()
        if self._taken(re.compile(",")):
            latency = self._quantity("time", "500ns")
        if port is not None and _BLOCKS[name.lower()] is not Block.SWITCH:
            self.at = first
            raise self._error(f"{name}({size}) behind port {port.name}", "a Switch, a level of a fat tree")
        return Dimension(_BLOCKS[name.lower()], npus, "", latency, port), bandwidth

    def _sending(self) -> tuple[Port | None, float]:
        """Return the port of a dimension and what one NPU has into it: a bandwidth, NAME=BANDWIDTH, NAME or NAME/4."""
        start = self._at()
        name = self._taken(_PORT)
        if name is None:
            return None, self._quantity("bandwidth", "50GB/s")
        if self._taken(_IS):
            if name in self.ports:
                self.at = start
                raise self._error(f"port {name} a second time", f"@{name} alone, or @{name}/4 with an oversubscription")
            self.left[name] = self._quantity("bandwidth", "50GB/s")
            self.ports[name] = Port(name, self.left[name])
        elif name not in self.ports:
            self.at = start
            raise self._error(f"'{name}'", "a bandwidth with its unit, such as 50GB/s, or a port of an inner dimension",
                              f"Name a port where it is used first: @{name}=50GB/s.")  # fmt: skip
        elif self._taken(_OVER):
            start = self.at
            factor = as_real(self._taken(_FACTOR) or "")
            if factor is None or factor < 1:
                self.at = start
                raise self._error(self._rest(), "an oversubscription of at least 1", f"Write @{name}/4.")
            self.left[name] /= factor
        return self.ports[name], self.left[name]

    def _quantity(self, kind: str, example: str) -> float:
        start = self._at()
        found = self._taken(_QUANTITY)
        what = "latency" if kind == "time" else kind
        if found is None:
            raise self._error(self._rest(), f"a {what} with its unit, such as {example}")
        try:
            value = parse(found, kind, "")
        except InputError as error:
            self.at = start
            raise self._error(error.found, error.expected, error.remedy) from None
        if not (0 < value < float("inf") or (kind == "time" and value == 0)):
            self.at = start
            raise self._error(f"'{found}'", f"a finite {what} {'of at least' if kind == 'time' else 'above'} 0")
        return value

    def _expect(self, character: str, expected: str) -> None:
        self._blank()
        if not self.text.startswith(character, self.at):
            raise self._error(self._rest(), expected)
        self.at += 1

    def _taken(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def _blank(self) -> None:
        self._taken(_SPACE)

    def _at(self) -> int:
        self._blank()
        return self.at

    def _rest(self) -> str:
        rest = re.match(r"\s*([^\s()@,]+|\S)", self.text[self.at :])
        return f"'{rest[1]}'" if rest else "the end of the text"

    def _error(self, found: str, expected: str, remedy: str = "") -> InputError:
        where = f"{self.place}, column {self.at + 1}"
        return InputError(where, found, expected, remedy or _LIKE, (self.text, self.at))
