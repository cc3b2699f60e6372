"""``simcore messages``: a collective as messages on links that they share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simcore.errors import InputError, field, unknown_name
from simcore.models.network.algorithms import Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.messages.fabric import Fabric, Routing
from simcore.models.network.messages.of_topology import fabric_of
from simcore.models.network.messages.patterns import program_of
from simcore.models.network.messages.program import MOST_SENDS, Checked, checked
from simcore.models.network.messages.simulate import simulate_sends
from simcore.piping import is_input_file
from simcore.readers.fabrics import FIELDS, MOST_NPUS, read_fabric
from simcore.readers.network_string import is_network_string
from simcore.readers.programs import read_program
from simcore.readers.ranks import listed
from simcore.readers.read import read_path
from simcore.readers.sniff import top_fields
from simcore.results import Provenance, versions
from simcore.studies.buffers import buffers, parse_size
from simcore.studies.inputs import resolve_network
from simcore.studies.messages.request import MessagesRequest
from simcore.studies.messages.result import MessagesResult
from simcore.studies.request import study


@study(MessagesRequest)
def messages(request: MessagesRequest) -> MessagesResult:
    """Simulate a collective message by message on the links of a network.

    Raises
    ------
    InputError
        If an input is wrong, or a collective of one's own does not end or is not complete.

    Examples
    --------
    >>> result = messages("all-to-all", "64MB", network="Switch(4)@1GB/s x Switch(4)@1GB/s", algorithm="direct")
    >>> round(result.time * 1e3, 3), round(result.bound * 1e3, 3)
    (48.0, 48.0)
    """
    started = time.process_time()
    size = parse_size(request.size)
    fabric, hashes = _fabric(request)
    kind = next((each for each in Collective if each.value == str(request.collective).lower()), None)
    program, of_program = _program(request, kind, fabric)
    members = _members(request.group, fabric, program.program.npus)
    made = program.program
    held = buffers(made.collective, size, made.npus)
    chunk = held.full / made.chunks
    run = simulate_sends(program, fabric, chunk, members)
    return MessagesResult(
        request=request,
        fabric=fabric,
        program=made,
        buffers=held,
        members=members,
        run=run,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(size=size).inputs(),
            sha256=hashes | of_program,
            counts={"messages": len(made.sends), "changes": run.changes},
            versions=versions("numpy", "networkx"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _fabric(request: MessagesRequest) -> tuple[Fabric, dict[str, str]]:
    """Return the network link by link, and the hash of its file."""
    given, routing = request.network, Routing(request.routing)
    if not (isinstance(given, str) and is_network_string(given)) and is_input_file(Path(given)):
        file = read_path(Path(given), "network", str(given))
        if top_fields(file.text) & FIELDS:
            read = read_fabric(file)
            return replace(read.value, routing=routing, seed=request.seed), {"network": read.sha256}
    named, hashes = resolve_network(given, field("network"))
    if named.topology.npus > MOST_NPUS:
        found = f"{named.topology.npus:,} NPUs"
        remedy = "simcore collective takes networks of any size."
        raise InputError(field("network"), found, f"{MOST_NPUS:,} at most, link by link", remedy)
    return fabric_of(named.topology, named.bandwidths or (), routing, request.seed), hashes


def _program(request: MessagesRequest, kind: Collective | None, fabric: Fabric) -> tuple[Checked, dict[str, str]]:
    """Return the sends, and the hash of their file."""
    if kind is None:
        path = Path(request.collective)
        if not is_input_file(path) and path.suffix not in (".yaml", ".yml", ".json"):
            raise unknown_name(field("collective"), str(request.collective), [each.value for each in Collective])
        read = read_program(path)
        return read.value, {"collective": read.sha256}
    npus = fabric.npus if request.group is None else len(_ranks(request.group, fabric))
    if npus < 2:
        raise InputError(field("group"), "one NPU", "at least two", "Add another.")
    each = npus - 1 if kind is Collective.ALL_TO_ALL else 4 * (npus - 1)
    if npus * each > MOST_SENDS:
        found = f"{kind.value} among {npus:,} NPUs, more than {MOST_SENDS:,} messages"
        raise InputError(field("collective"), found, "fewer", f"Choose a smaller {field('group')}.")
    return checked(program_of(kind, npus, Algorithm(request.algorithm)), kind.value), {}


def _ranks(group: str | Sequence[int], fabric: Fabric) -> list[int]:
    """Return the NPUs of a group, in its order."""

    def check(last: int) -> None:
        if not 0 <= last < fabric.npus:
            raise InputError(field("group"), f"NPU {last}", f"0 to {fabric.npus - 1}", "NPUs are counted from 0.")

    if not isinstance(group, str):
        for npu in group:
            check(npu)
        ranks = list(group)
    else:
        ranks = listed(group, field("group"), check)
    if len(set(ranks)) < len(ranks):
        raise InputError(field("group"), "an NPU twice", "each once", "Leave one out.")
    return ranks


def _members(group: str | Sequence[int] | None, fabric: Fabric, npus: int) -> tuple[int, ...]:
    """Return which NPU of the network each NPU of the program is."""
    ranks = list(range(fabric.npus)) if group is None else _ranks(group, fabric)
    if len(ranks) != npus:
        found = f"{len(ranks)} NPUs for a collective among {npus}"
        raise InputError(field("group"), found, f"{npus} NPUs", "Name as many, or change the network.")
    return tuple(ranks)
