"""``simcore train MODEL --sweep``: a training iteration at several values of one input."""

from __future__ import annotations

import time

from simcore.errors import InputError, field
from simcore.models.network.cost import CostModel, network_cost
from simcore.progress import tracked
from simcore.readers.costs import read_costs
from simcore.readers.read import Read
from simcore.results import Provenance, versions
from simcore.studies.iteration.request import IterationRequest
from simcore.studies.iteration.result import IterationResult
from simcore.studies.iteration.run import iteration
from simcore.studies.iteration.sweep.inputs import Swept, swept
from simcore.studies.iteration.sweep.outcome import Point
from simcore.studies.iteration.sweep.request import SweepRequest
from simcore.studies.iteration.sweep.result import SweepResult
from simcore.studies.request import descriptions, study


@study(SweepRequest)
def sweep(request: SweepRequest) -> SweepResult:
    """Predict a training iteration on GPUs at several values of one input, and say what each step gains.

    What is left open, such as the degrees of parallelism, is chosen anew for each value.

    Raises
    ------
    InputError
        If the field is not one that can be swept, or an input or a value is wrong.

    Examples
    --------
    >>> result = sweep("gpt-1.3b", sweep="nic=25,50", gpus=16, device="a100-80gb", tp=2, pp=1, global_batch=64)
    >>> [point.shown for point in result.points], result.points[1].time < result.points[0].time
    (['25 GB/s', '50 GB/s'], True)
    """
    started, chosen = time.process_time(), swept(request)
    priced = None if request.cost is None else read_costs(request.cost, field("cost"))
    each = zip(tracked(chosen.values, "values"), chosen.shown, strict=True)
    points = tuple(_point(request, chosen, value, shown, priced) for value, shown in each)
    sha256 = {role: digest for point in points for role, digest in point.result.provenance.sha256.items()}
    return SweepResult(
        name=chosen.name,
        points=points,
        warnings=tuple(dict.fromkeys(warning for point in points for warning in point.result.warnings)),
        provenance=Provenance(
            command=request.study,
            inputs=request.inputs(),
            sha256=sha256 | ({} if priced is None else {"cost": priced.sha256}),
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _point(request: SweepRequest, chosen: Swept, value: float, shown: str, priced: Read[CostModel] | None) -> Point:
    """Predict the iteration at one value."""
    inputs = {name: getattr(request, name) for name in descriptions(IterationRequest)}
    try:
        result = iteration(**{**inputs, chosen.name: value})
    except InputError as error:
        if field(chosen.name) in error.place:
            place = f"{field('sweep')} {chosen.name.replace('_', '-')}={shown}"
            more = "" if error.place == field(chosen.name) else f", {error.place}"
            raise InputError(place + more, error.found, error.expected, error.remedy) from None
        raise
    return Point(value, shown, result, None if priced is None else _cost(result, priced.value))


def _cost(result: IterationResult, prices: CostModel) -> float:
    machine = result.deployment.evaluator.machine
    return network_cost(machine.topology, prices, machine.bandwidths)
