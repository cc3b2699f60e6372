"""Public lists of nodes as clusters: those of openb, of Helios and of Philly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simcore.errors import InputError
from simcore.files import check_columns, csv_rows
from simcore.models.cluster.cluster import Cluster, Node, cluster_of_nodes
from simcore.numerals import parse_real, parse_whole
from simcore.readers.read import InputFile

HELIOS_GPUS = 8
"""GPUs of a node of Helios."""
MOST_OF_NODE, MOST_NODES = 1024, 1_000_000
MOST_AMOUNT = 1e12
"""Thousandths of a core, or MiB, of a node."""

Fields = Mapping[str, str]


def read_nodes(file: InputFile) -> Cluster | None:
    r"""Return the cluster of a list of nodes, None for a file that is none by its header.

    Nodes without GPUs are left out, and the cluster's source counts them.

    Raises
    ------
    InputError
        Naming the line and the column that is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> nodes = read_nodes(InputFile(Path("helios.csv"), "helios.csv", "vc,node num\nvision,2\n", ""))
    >>> [node.gpus for node in nodes.nodes], nodes.nodes[0].vc
    ([8, 8], 'vision')
    """
    first = file.text.lstrip().split("\n", 1)[0]
    header = [name.strip() for name in first.split(",")]
    known = next((each for each in _LISTS if set(each[1]) <= set(header)), None)
    if known is None:
        return None
    about, _, make = known
    header, rows = csv_rows(file.text, file.name, "node")
    check_columns(header, known[1], None, file.name)
    nodes: list[Node] = []
    without = 0
    for line, fields in rows:
        where = f"{file.name}, line {line}"
        if len(fields) != len(header):
            found, remedy = f"{len(fields)} fields", "Give a row as many fields as the header has."
            raise InputError(where, found, f"{len(header)}: {', '.join(header)}", remedy)
        made = make(dict(zip(header, fields, strict=True)), where)
        without += not made
        nodes += made
        if len(nodes) > MOST_NODES:
            raise InputError(where, f"{len(nodes):,} nodes by here", f"at most {MOST_NODES:,}", "Take a smaller list.")
    source = f"{about}; {without:,} nodes without GPUs are left out" if without else about
    return cluster_of_nodes(file.path.stem, nodes, source=source)


def _count(row: Fields, column: str, where: str, most: int) -> int:
    number = parse_whole(row[column], f"{where}, field '{column}'")
    if not 0 <= number <= most:
        raise InputError(f"{where}, field '{column}'", f"{number}", f"0 to {most:,}")
    return number


def _amount(row: Fields, column: str, where: str) -> float:
    number = parse_real(row[column], f"{where}, field '{column}'")
    if not 0 < number <= MOST_AMOUNT:
        remedy = "Leave the node out if it cannot run jobs." if not number else ""
        raise InputError(f"{where}, field '{column}'", f"{number:g}", f"above 0, to {MOST_AMOUNT:g}", remedy)
    return number


def _type(row: Fields, column: str, where: str) -> str:
    if not row[column]:
        raise InputError(f"{where}, field '{column}'", "nothing", "the type of the GPUs")
    return row[column]


def _openb(row: Fields, where: str) -> list[Node]:
    gpus = _count(row, "gpu", where, MOST_OF_NODE)
    if not gpus:
        return []
    cores = _amount(row, "cpu_milli", where) / 1000.0
    memory = _amount(row, "memory_mib", where) * 2.0**20
    return [Node(_type(row, "model", where), gpus, cpus=cores, memory=memory)]


def _helios(row: Fields, where: str) -> list[Node]:
    return [Node("gpu", HELIOS_GPUS, vc=row["vc"])] * _count(row, "node num", where, MOST_NODES)


def _philly(row: Fields, where: str) -> list[Node]:
    gpus = _count(row, "number of GPUs", where, MOST_OF_NODE)
    return [Node(_type(row, "single GPU mem", where), gpus)] if gpus else []


_LISTS: Sequence[tuple[str, tuple[str, ...], Callable[[Fields, str], list[Node]]]] = (
    ("node list of Alibaba openb-2023", ("sn", "cpu_milli", "memory_mib", "gpu", "model"), _openb),
    ("virtual clusters of Helios, nodes of 8 GPUs", ("vc", "node num"), _helios),
    ("cluster_machine_list of Philly, types by memory", ("machineId", "number of GPUs", "single GPU mem"), _philly),
)
