"""``simcore sparse``: the sparse operators of a module, timed dense and by PIT."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.sweeps.pit import UNMEASURED, Row
from simcore.errors import InputError, field
from simcore.models.compute.profile import KernelProfile
from simcore.progress import tell
from simcore.readers.profiles import read_profile
from simcore.results import Provenance, versions
from simcore.studies.request import study
from simcore.studies.sparse.request import SparseRequest
from simcore.studies.sparse.result import SparseResult

BUDGET = 0.3
"""Seconds after which no further call of an operator is timed [s]."""


@study(SparseRequest)
def sparse(request: SparseRequest) -> SparseResult:
    """Find where a module is dynamically sparse, and time its sparse operators dense and by PIT's kernels.

    Raises
    ------
    InputError
        If there is no module, its inputs are not known, or no operator of it is sparse: with what was looked for.
    MissingExtraError
        If torch is not installed.
    """
    started = time.process_time()
    torch = require_torch()
    from simcore.real.sparse.found import check_inputs, find_sparse, number_format
    from simcore.real.sparse.measure import Clocked, module_ways
    from simcore.real.sparse.operators import LOOKED_FOR
    from simcore.real.verify.built import own_module

    torch.manual_seed(request.seed)
    _check_device(request)
    own = own_module(request.model, request.example)
    if any(own.names):
        found = f"an input with a name, {next(name for name in own.names if name)}"
        remedy = "Leave its name out, or let the function take it in its place."
        raise InputError(field("example"), found, "inputs in the order in which the module takes them", remedy)
    module, given = own.module.to(request.device).eval(), tuple(one.to(request.device) for one in own.inputs)
    dtype = number_format(module, request.model, field("model"))
    check_inputs(module, given, request.model, field("example" if request.example else "model"))
    profile = _profile(request)
    clocked = Clocked(request.device, request.repeats, BUDGET, profile)
    operators = find_sparse(module, given, clocked, dtype, tell)
    if not operators:
        remedy = "Give inputs that are sparse where yours are: return module, (tensor, ...)."
        raise InputError(field("model"), f"'{request.model}', without a sparse operator", LOOKED_FOR, remedy)
    blank: Row = {"total_seconds": None, **UNMEASURED, "memory_bytes": None, "error": None}
    rows = list(module_ways(module, given, clocked, (), dtype, blank, trains=request.backward))
    file = Path(request.model.rpartition(":")[0])
    return SparseResult(
        request=request,
        dtype=dtype,
        found=operators,
        whole={row["way"]: row for row in rows},
        profile="" if profile is None else profile.name,
        provenance=Provenance(
            command=request.study,
            inputs=request.inputs(),
            sha256={
                **({"model": sha256(file.read_bytes()).hexdigest()} if file.is_file() else {}),
                **({} if profile is None else {"profile": profile.sha256}),
            },
            seed=request.seed,
            versions=versions("torch"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _check_device(request: SparseRequest) -> None:
    if request.device == "cuda" and not require_torch().cuda.is_available():
        raise InputError(field("device"), "cuda, and no GPU", "cpu", f"Leave {field('device')} out.")


def _profile(request: SparseRequest) -> KernelProfile | None:
    given = request.profile
    if given is None or isinstance(given, KernelProfile):
        return given
    return read_profile(given, field("profile")).value
