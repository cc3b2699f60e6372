"""``simcore calibrate --from TABLE --network NAME``: a network with its collectives as a table has them measured."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, field
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import Mesh
from simcore.outputs import check_file
from simcore.report import Block, Headline, Text
from simcore.results import Provenance, Result, Table, versions
from simcore.studies.calibrate.output import write_anew
from simcore.studies.calibrate.request import CalibrateRequest

if TYPE_CHECKING:
    from simcore.readers.collective_rows import CollectiveRow
    from simcore.readers.network_string import NetworkSpec

DEVICE = "cpu"
"""Device of a request that names none."""


@dataclass(frozen=True, kw_only=True)
class CollectivesResult(Result):
    """A network's collectives, and how far they are off.

    Attributes
    ----------
    network : str
        Its name.
    profile : CollectiveProfile
        What was fitted.
    path : Path
        Where the network's file lies.
    rows : int
        Rows that it was fitted to.
    """

    stem = "collectives"

    network: str
    profile: CollectiveProfile
    path: Path
    rows: int

    def tables(self) -> Mapping[str, Table]:
        """Return the errors of each kind in each group, and the lines."""
        columns = ["kind", "near", "nodes", "state", "rows", "smallest", "largest", "error", "low", "high", "noise"]
        curves = [
            (one.kind, one.span.near, one.span.nodes, one.state, one.rows, one.fitted[0], one.fitted[-1],
             *((one.error, one.low, one.high) if one.error else (None, None, None)), one.noise)
            for one in self.profile.curves
        ]  # fmt: skip
        names = ["kind", "algorithm", "protocol", "launch", "step", "far_step", "efficiency", "far_efficiency"]
        lines = [
            (kind, *(getattr(one, name) for name in names[1:]))
            for kind, some in self.profile.lines.items()
            for one in some
        ]
        return {
            "errors": Table(columns, curves, {"smallest": "B", "largest": "B"}),
            "lines": Table(names, lines, {"launch": "s", "step": "s", "far_step": "s"}),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON; errors are fractions."""
        tables = self.tables()
        return {
            "file": str(self.path),
            "network": self.network,
            "rows": self.rows,
            "errors": [dict(row) for row in tables["errors"]],
            "lines": [dict(row) for row in tables["lines"]],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def report(self) -> Sequence[Block]:
        """Return what was written, and a line per kind and group."""
        head = f"{self.path}: collectives of {self.network}, fitted to {self.rows:,} rows"
        lines = [
            f"  {one.kind:15} {one.span.near} x {one.span.nodes} {one.state:10} {one.rows:5} rows  "
            f"{one.fitted[0]:.4g} to {one.fitted[-1]:.4g} B  "
            # An error of exactly 0 is that of a group from which no size could be held out.
            + (f"held-out error {one.error:6.1%}" if one.error else "error unknown: no size held out")
            + f"  noise {one.noise:5.1%}"
            for one in self.profile.curves
        ]
        return [Headline(head, f"simcore train ... --network {self.path} takes them"), Text("\n".join(lines))]


def of_collectives(request: CalibrateRequest, path: Path) -> CollectivesResult:
    """Fit the collectives of a network to the rows of a table, and write the network with them.

    Parameters
    ----------
    request : CalibrateRequest
        With its table and its network; its device names that of the rows, where there are several.
    path : Path
        Where the network's file goes.

    Raises
    ------
    InputError
        If the network has no bandwidths or more than two dimensions, the table cannot be read, no row is of the
        device, or a row is wrong.
    """
    from simcore.calibrate.collectives.checks import checked
    from simcore.calibrate.collectives.table import fit_rows, usual_source
    from simcore.readers.collective_tables import read_collectives
    from simcore.readers.networks import read_any_network

    assert request.measurements is not None
    assert request.network is not None
    started = time.process_time()
    check_file(path, option=field("output"), own="collectives")
    network = read_any_network(request.network, field("network"))
    near, far = _bandwidths(network.value, str(request.network))
    table = read_collectives(request.measurements, "" if request.device == DEVICE else request.device)
    known = network.value.collectives
    device = _device(request, table.rows, () if known is None else known.devices)
    rows, warnings = checked(table, device, near, far, Path(request.measurements))
    _check_nodes(rows, network.value, device)
    fitted = fit_rows(network.value.topology.name, rows, near, far, mesh=network.value.mesh)
    source = request.source or usual_source(rows) or Path(request.measurements).name
    derived = "What of it was not measured is derived from an all-reduce, and between nodes assumed."
    profile = replace(fitted, source=source, derived=derived)
    document = _document(network.value, profile, f"collectives of {device} fitted to {len(rows)} rows")
    write_anew(path, json.dumps(document, indent=1) + "\n", force=request.force, own="collectives")
    return CollectivesResult(
        network=network.value.topology.name,
        profile=profile,
        path=path,
        rows=len(rows),
        warnings=warnings,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(output=path).inputs(),
            sha256={"network": network.sha256, "measurements": table.sha256},
            versions=versions("numpy", "scipy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _check_nodes(rows: Sequence[CollectiveRow], spec: NetworkSpec, device: str) -> None:
    """Refuse a group that has more GPUs in a node than a node of the network has."""
    size = spec.topology.dimensions[0].size
    if len(spec.topology.dimensions) < 2 or not size:
        return
    for row in rows:
        if row.span is not None and row.span.near > size:
            found, expected = (
                f"{row.span.near} GPUs of {device} in a node",
                f"at most {size}, as {spec.topology.name} has",
            )
            remedy = "Give a column 'nodes', or a network with such nodes."
            raise InputError(field("measurements"), found, expected, remedy)


def _bandwidths(spec: NetworkSpec, name: str) -> tuple[float, float]:
    """Return what a GPU has within nodes and between them; of a network of one dimension twice the same."""
    dimensions = len(spec.topology.dimensions)
    if spec.bandwidths is None or not 1 <= dimensions <= 2:
        found = f"'{name}', of {dimensions} dimensions" if spec.bandwidths else f"'{name}', without bandwidths"
        expected = "a network of one or two dimensions with bandwidths: within nodes, and between them"
        raise InputError(field("network"), found, expected, "Give one such as dgx-a100.")
    return spec.bandwidths[0], spec.bandwidths[-1]


def _device(request: CalibrateRequest, rows: Sequence[CollectiveRow], known: Sequence[str]) -> str:
    """Return the device whose rows are taken: the one that is asked for, the only one, or the network's."""
    from simcore.readers.collective_rows import same_device

    named = list(dict.fromkeys(row.device for row in rows))
    if request.device != DEVICE:
        return next((each for each in named if same_device(each, request.device)), request.device)
    usual = [each for each in named if each in known]
    if len(named) == 1 or usual:
        return (named if len(named) == 1 else usual)[0]
    found, expected = f"no device, in a table of {len(named)}", f"one of them: {', '.join(named)}"
    raise InputError(field("device"), found, expected, f'Add {field("device")} "{named[0] if named else "NAME"}".')


def _document(spec: NetworkSpec, profile: CollectiveProfile, description: str) -> dict[str, Any]:
    from simcore.readers.collective_profiles import profile_document
    from simcore.readers.networks import OPEN

    assert spec.bandwidths is not None
    dimensions = [
        {
            "block": one.block.value, "size": "nodes" if one.size == OPEN else one.size, "level": one.level,
            "latency": f"{1e6 * one.latency:.10g} us", "bandwidth": f"{bandwidth / 1e9:.10g} GB/s",
        }
        for one, bandwidth in zip(spec.topology.dimensions, spec.bandwidths, strict=True)
    ]  # fmt: skip
    return {
        "description": f"{spec.topology.name} with {description}", "source": spec.topology.source,
        "dimensions": dimensions, **({} if spec.mesh is None else {"mesh": _links(spec.mesh)}),
        "collectives": profile_document(profile, description),
    }  # fmt: skip


def _links(mesh: Mesh) -> dict[str, Any]:
    return {"link": f"{mesh.bandwidth / 1e9:.10g} GB/s", "links": [list(row) for row in mesh.links]}
