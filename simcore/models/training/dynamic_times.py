"""The time of a dynamic sparse model on a profiled device: dense, by the best library, and by PIT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from simcore.errors import InputError, field
from simcore.models.compute.compute_model import KernelCall, profiled
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.operator_prices import SparseProfiled, sparse_product
from simcore.models.compute.sparse.prices import TileTable
from simcore.models.compute.sparse.profiled import tile_table
from simcore.models.compute.sparse.selection import Selection
from simcore.models.compute.sparse.stored import BLOCK, CONVERSIONS, STORED, TURNED
from simcore.models.training.dynamic import DynamicCase, dynamic_operators
from simcore.models.training.lowering import lower
from simcore.models.training.notes import mean_error, notes_on
from simcore.models.training.operators import OperatorList
from simcore.models.training.reuse import placed
from simcore.models.training.traffic import all_calls, forward_calls
from simcore.models.training.way import BLOCKS, INDEX, Library, Masked, Way
from simcore.models.training.ways import as_run
from simcore.models.training.workload import KernelTime, Pass, Times

NO_LIBRARY = "no library of torch has it"
"""Why a way of the library is missing where nothing is sparse that one has."""

UPDATE = "optimizer.update"
"""Path of what updates the weights."""


@dataclass(frozen=True)
class WayTime:
    """What one way takes.

    Attributes
    ----------
    way : Way
        Which.
    forward, backward, update : float
        Each pass, and the update of the weights [s]; 0 where nothing is trained.
    index : float
        What of `forward` finds the positions and micro-tiles [s].
    error : float or None
        Expected relative error of a kernel, weighted by time; None where one has none.
    notes : tuple of str
        What a reader must know.
    choices : mapping of str to Selection
        The kernel of each product with zeros by its path, that of a block once.
    block : int
        Queries in a row block of packed attention; 0 where attention is dense.
    backend : str
        What the way of the library uses; empty for the others.
    """

    way: Way
    forward: float
    backward: float
    update: float
    index: float
    error: float | None
    notes: tuple[str, ...]
    choices: Mapping[str, Selection]
    block: int = 0
    backend: str = ""

    @property
    def seconds(self) -> float:
        """All of it [s]."""
        return self.forward + self.backward + self.update


@dataclass(frozen=True)
class DynamicPrediction:
    """The predicted times of an experiment on a device.

    Attributes
    ----------
    case : DynamicCase
        The experiment.
    device : str
        Name of the profile.
    ways : mapping of Way to WayTime
        Those that can be predicted.
    missing : mapping of Way to str
        Those that cannot, each with the reason.
    """

    case: DynamicCase
    device: str
    ways: Mapping[Way, WayTime]
    missing: Mapping[Way, str]

    @property
    def fastest(self) -> Way:
        """The way with the smallest time, index included; at equal times the first of dense, PIT and library."""
        order = [way for way in (Way.DENSE, Way.PIT, Way.LIBRARY) if way in self.ways]
        return min(order, key=lambda way: self.ways[way].seconds)


def predict_dynamic(
    case: DynamicCase, profile: KernelProfile, *, table: TileTable | None = None, extrapolate: bool = True
) -> DynamicPrediction:
    """Predict an experiment on a device: dense, by the best library, and by PIT with its index.

    Dense kernels come from the profile. Products with zeros come from its own sparse kernels where it has any, else
    from a published tile table.

    Parameters
    ----------
    case : DynamicCase
        The experiment.
    profile : KernelProfile
        Of the device.
    table : TileTable, optional
        Published, for a device without sparse kernels of its own.
    extrapolate : bool
        Whether dense shapes outside the sampled range are predicted, with a note, or refused.

    Raises
    ------
    InputError
        If the profile lacks a kernel or the number format.

    Examples
    --------
    >>> from simcore.kernels import read_profile
    >>> from simcore.models.training.dynamic import dynamic_cases
    >>> found = predict_dynamic(dynamic_cases(10, small=True)[0], read_profile("cpu").value)
    >>> found.fastest.value, found.ways[Way.LIBRARY].backend, sorted(way.value for way in found.missing)
    ('pit', 'jagged', [])
    """
    base = profiled(profile, case.batch.element, case.dtype, extrapolate=extrapolate)
    compute = SparseProfiled(base, None if has_own_kernels(profile) else table)
    listed = dynamic_operators(case)
    ways: dict[Way, WayTime] = {}
    missing: dict[Way, str] = {}
    for way in Way:
        lacking: dict[str, None] = {}
        if way is Way.PIT and (why := _unpriced(compute, listed)):
            lacking[why] = None
        tried = []
        for masked in () if lacking else _tried(case, way):
            run = as_run(listed, way, masked)
            if why := _unmeasured(run, compute, training=case.training):
                lacking[why] = None
            else:
                tried.append(_timed(case, run, way, compute, masked))
        if tried:
            ways[way] = min(tried, key=lambda one: one.seconds)
        else:
            missing[way] = "; ".join(lacking) or NO_LIBRARY
    return DynamicPrediction(case, profile.name, ways, missing)


def libraries(case: DynamicCase) -> tuple[Library, ...]:
    """Return the libraries that have something sparse of an experiment, and run it.

    BSR multiplies blocks of 32 x 32. It has no gradients, nor has attention of stored scores. Flex attention is none of
    them: it is compiled, which takes longer than a calibration.

    Examples
    --------
    >>> from simcore.models.training.dynamic import dynamic_cases
    >>> [[one.value for one in libraries(dynamic_cases(figure, small=True)[0])] for figure in (8, 9, 14)]
    [['grouped'], ['jagged', 'csr'], ['csr']]
    """
    zeros = [one for one in dynamic_operators(case) if one.zeros is not None]
    blocks = all(int(one.size(side)) % BLOCK == 0 for one in zeros for side in "nk")  # of a weight, k x n
    has = {
        Library.GROUPED: case.routing is not None,
        Library.JAGGED: case.lengths is not None,
        Library.CSR: bool(zeros) or (case.pattern is not None and not case.training),
        Library.BSR: case.weights is not None and blocks and not case.training,
    }
    return tuple(one for one, some in has.items() if some)


def _tried(case: DynamicCase, way: Way) -> Iterator[Masked]:
    """Yield what a way is tried with: row blocks of packed attention, of which 0 is dense attention, or libraries."""
    masked = Masked(case.batch.element, case.model.hidden, case.model.causal, 0)
    if way is Way.LIBRARY:
        yield from (replace(masked, backend=one) for one in libraries(case))
        return
    packs = way is Way.PIT and (case.lengths is not None or case.pattern is not None)
    yield from (replace(masked, block=block) for block in ((0, *BLOCKS) if packs else (0,)))


def _unmeasured(run: OperatorList, compute: SparseProfiled, *, training: bool) -> str:
    """Say which kernels of a sparse library the profile lacks; empty where it lacks none."""
    calls = all_calls(run) if training else forward_calls(run)
    called = {call.kernel for call, _ in calls} & {*STORED, TURNED, *CONVERSIONS}
    profile, dtype = compute.base.profile, compute.base.dtype
    lacks = sorted(one for one in called if not any(fit.kernel == one and fit.dtype == dtype for fit in profile.fits))
    if not lacks:
        return ""
    return f"{profile.name} has no {dtype} fit of {', '.join(lacks)}, which the suite library measures on a CPU"


def has_own_kernels(profile: KernelProfile) -> bool:
    """Say whether sparse kernels were measured for a profile."""
    return any(one.kernel.startswith("pit-") for one in profile.samples)


def published_table(
    profile: KernelProfile, table: TileTable, devices: Iterable[str], *, extrapolate: bool = False
) -> TileTable | None:
    """Return a published tile table for a device; None where the device has sparse kernels of its own.

    Parameters
    ----------
    profile : KernelProfile
        Of the device.
    table : TileTable
        The table.
    devices : iterable of str
        Those of its class.
    extrapolate : bool
        Whether it may stand for a device of another class: its times are scaled by the dense product.

    Raises
    ------
    InputError
        If the device is of another class, and nothing may be extrapolated.
    """
    if has_own_kernels(profile):
        return None
    known = list(devices)
    if profile.device.name in known:
        return table
    if not extrapolate:
        place, remedy = f"profile {profile.name}", f"Add {field('extrapolate')} to scale it by the dense product."
        found = f"{profile.device.name}, for which no sparse kernel was measured or published"
        raise InputError(place, found, f"one of {', '.join(known)}", remedy)
    base = profiled(profile, 4, table.shape.dtype)
    shape = (("m", table.shape.m), ("n", table.shape.n), ("k", table.shape.k), ("batch", 1))
    dense = base.seconds(KernelCall("gemm", shape)).seconds
    scale = dense / table.dense
    entries = tuple(replace(one, seconds=tuple(t * scale for t in one.seconds)) for one in table.entries)  # type: ignore[union-attr, arg-type]  # published entries are tiles
    return replace(table, dense=dense, entries=entries, source=f"{table.source}, scaled by the dense product")


def _unpriced(compute: SparseProfiled, listed: OperatorList) -> str:
    """Say why a product with zeros has no price but the dense one; empty where each has."""
    for one in listed:
        if one.zeros is not None:
            product, mask = sparse_product(one, one.dtype or compute.base.dtype)
            known = tile_table(compute.base.profile, product, mask) if compute.table is None else compute.table
            if known is None or known.shape.dtype != product.dtype:
                return f"no sparse kernels of {product.dtype} are known of {compute.base.profile.name}"
    return ""


def _timed(case: DynamicCase, run: OperatorList, way: Way, compute: SparseProfiled, masked: Masked) -> WayTime:
    """Return what the operators of a way take, and the choices among them."""
    run = placed(run if case.training else _unsaved(run), case.batch.element, training=case.training)
    workload, costs = lower(run, compute, 1, 1, name=case.name, launch=compute.base.launch or 0.0)
    forward = _sum(one for one in costs if one.direction is Pass.FORWARD)
    backward = _sum(one for one in costs if one.direction is not Pass.FORWARD and one.path != UPDATE)
    chosen = {
        one.path: compute.selection(one.call)
        for one in costs if one.call.zeros is not None and one.direction is Pass.FORWARD
    }  # fmt: skip
    index = _sum(one for one in costs if one.path.rpartition(".")[2] == INDEX)
    index += math.fsum(
        one.count * compute.index_seconds(one.call)
        for one in costs if one.call.zeros is not None and one.direction is Pass.FORWARD
    )  # fmt: skip
    about = Times(compute.base.profile.name, compute.base.dtype, costs)
    return WayTime(
        way, forward, backward if case.training else 0.0,
        _sum(one for one in costs if one.path == UPDATE) if case.training else 0.0, index,
        mean_error(costs), tuple(notes_on([replace(workload, times=about)])),
        {path: one for path, one in chosen.items() if one is not None}, masked.block,
        masked.backend.value if way is Way.LIBRARY else "",
    )  # fmt: skip


def _unsaved(listed: OperatorList) -> OperatorList:
    """Return operators that keep nothing for a backward pass."""
    return OperatorList(
        tuple(
            replace(section, operators=tuple(replace(one, saved=0.0) for one in section.operators))
            for section in listed.sections
        )
    )


def _sum(costs: Iterable[KernelTime]) -> float:
    return math.fsum(one.count * one.prediction.seconds + one.waited for one in costs)
