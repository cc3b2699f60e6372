"""Files of other programs, and of simcore, that stand where another file is wanted: each is called by its name.

A file is told by what is in it, before a schema looks for fields that it cannot have. The message says what the file
is, and what to do: the option that takes it, or what to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simcore.errors import InputError
from simcore.readers.sniff import plain, significant_lines

_WANTED = {
    "network": "a network: dimensions with block, size, latency and bandwidth, or one of ASTRA-sim or LIBRA",
    "cost": "a cost model: levels with prices",
    "communicator": "groups: Forward, InputGrad and WeightGrad, one size per dimension in each",
}
_LONGEST = 200
"""Characters of the first line that are looked at."""
_STRING = '"Ring(8)@50GB/s,500ns"'
_WRITE_OUT = f"Write the network out, such as {_STRING}, or as YAML with topology, npus_count, bandwidth and latency."


@dataclass(frozen=True)
class _Kind:
    """A kind of file.

    Attributes
    ----------
    name : str
        What it is, for messages.
    fields : frozenset of str
        Top-level fields, plain; some of them tell it.
    least : int
        How many of them.
    first : str
        In place of fields, an expression that its first line matches.
    holds : str
        Beside it, words that stand somewhere in its text.
    use : str
        What to do with it, wherever it stands.
    uses : mapping of str to str
        The same where one kind is wanted; an empty text where the file is of that kind.
    """

    name: str
    fields: frozenset[str] = frozenset()
    least: int = 1
    first: str = ""
    holds: str = ""
    use: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)


_RANKS = "ranks"
"""Stands for fields that are all numbers: of groups, with lists of ranks."""


def _fields(*names: str) -> frozenset[str]:
    return frozenset(map(plain, names))


_KINDS = (
    _Kind(
        "a system configuration of ASTRA-sim",
        _fields(
            *("scheduling-policy", "endpoint-delay", "active-chunks-per-dimension", "preferred-dataset-splits"),
            *("all-reduce-implementation", "all-gather-implementation", "collective-optimization", "local-mem-bw"),
            *("boost-mode", "peak-perf", "roofline-enabled", "intra-dimension-scheduling"),
        ),
        use=f"Give the network configuration beside it, or write the network out: {_STRING}. Of the system --chunks "
        "takes preferred-dataset-splits, --in-flight active-chunks-per-dimension, --algorithm the implementations.",
    ),
    _Kind("a logical topology of ASTRA-sim", _fields("logical-dims"), use=f"It has sizes alone. {_WRITE_OUT}"),
    _Kind(
        "a memory configuration of ASTRA-sim",
        _fields("memory-type", "remote-mem-latency", "remote-mem-bw"),
        use="simcore times no memory behind the network: leave it out.",
    ),
    _Kind(
        "a network of ASTRA-sim's Garnet backend",
        _fields("num-npus", "num-packages", "package-rows", "local-rings", "inter-packet-rings"),
        use=_WRITE_OUT,
    ),
    _Kind(
        "a table of bus bandwidths of SimAI",
        _fields("TP", "DP", "EP", "PP", "DP_EP"),
        least=2,
        use=f"It has measured rates, no topology. {_WRITE_OUT}",
        uses={"communicator": "Give degrees of parallelism with --tp and --dp."},
    ),
    _Kind(
        "communicator groups of Chakra or ASTRA-sim 2",
        _fields(_RANKS),
        use="They list ranks. Give sizes with --tp and --dp, or a file with Forward, InputGrad and WeightGrad, one "
        "group size per dimension of the network in each.",
        uses={"network": f"They list ranks of groups. {_WRITE_OUT}"},
    ),
    _Kind(
        "a configuration of ns-3",
        first=r"(ENABLE_QCN|USE_DYNAMIC_PFC_THRESHOLD|PACKET_PAYLOAD_SIZE|TOPOLOGY_FILE|FLOW_FILE|CC_MODE)\b",
        use=_WRITE_OUT,
    ),
    _Kind(
        "a list of links of ns-3 or SimAI",
        first=r"\d+ \d+ \d+( \d+ \d+ \S+)?$",
        holds="bps ",
        use=f"simcore simulates dimensions, no single links. {_WRITE_OUT} 8 Gbps are 1 GB/s.",
    ),
    _Kind(
        "a configuration of BookSim",
        first=r"\w+\s*=\s*[^;]+;",
        use=f"A torus is a Ring in each dimension. {_WRITE_OUT}",
    ),
    _Kind("XML, such as a topology of NCCL or hwloc", first=r"<[?!\w]", use=_WRITE_OUT),
    _Kind(
        "a workload of ASTRA-sim",
        first=r"(DATA|MODEL|MICRO|HYBRID_\w+|DISTRIBUTED_INFERENCE|TRANSFORMER\w*)\b(?!\s*:)",
        use="Give it as WORKLOAD.",
    ),
    _Kind("a model of Hugging Face", _fields("model_type", "architectures"), use="Give it as WORKLOAD, or to --model."),
    _Kind("a cluster", _fields("gpus"), use="Give it to --cluster of simcore trace."),
    _Kind(
        "a network",
        _fields("dimensions", "npus-count", "topologies-per-dim"),
        use="Give it as NETWORK, or to --network.",
        uses={"network": ""},
    ),
    _Kind(
        "groups of a workload",
        _fields("Forward", "InputGrad", "WeightGrad"),
        least=2,
        use="Give it to --communicator.",
        uses={"communicator": ""},
    ),
    _Kind("a cost model", _fields("prices"), use="Give it to --cost.", uses={"cost": ""}),
    _Kind(
        "a cost model",
        _fields(*(f"Inter{level}" for level in ("Chiplet", "Package", "Node", "Pod")), "Tile", "Package", "Pod"),
        use="Give it to --cost.",
        uses={"cost": ""},
    ),
)


def refuse_other(path: Path, text: str, fields: set[str], wanted: str) -> None:
    """Refuse a file that is known to be something else than what is wanted.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str
        Its content.
    fields : set of str
        Its top-level fields.
    wanted : {'network', 'cost', 'communicator'}
        What is to be read of it.

    Raises
    ------
    InputError
        Saying what the file is, and what to do with it.

    Examples
    --------
    >>> refuse_other(Path("sys.json"), "", {"scheduling-policy", "endpoint-delay"}, "cost")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: sys.json: found a system configuration of ASTRA-sim, expected a cost model: ...
    """
    kind = _kind(text, {plain(name) for name in fields})
    use = "" if kind is None else kind.uses.get(wanted, kind.use)
    if kind is not None and use:
        raise InputError(str(path), kind.name, _WANTED[wanted], use)


def _kind(text: str, fields: set[str]) -> _Kind | None:
    """Return the kind of a file that is known by its fields or its first line; None where it is none of these."""
    if fields and all(name.isdecimal() for name in fields):
        fields = {_RANKS}
    first = next((line for _, line in significant_lines(text) if not line.lstrip().startswith("//")), "")
    first = first.strip()[:_LONGEST]
    for kind in _KINDS:
        if kind.fields and len(kind.fields & fields) >= kind.least:
            return kind
        if kind.first and not fields and re.match(kind.first, first) and kind.holds in text:
            return kind
    return None
