"""Whole models timed dense, by the libraries and by PIT: a row of each way, see `simcore.calibrate.sweeps.pit`."""

from __future__ import annotations

import statistics
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from simcore.calibrate.measure.allocator import keep_memory
from simcore.calibrate.measure.failures import is_lost, reason
from simcore.calibrate.measure.passes import spread_between
from simcore.calibrate.measure.tensors import torch_dtype
from simcore.calibrate.measure.timing import time_callable
from simcore.calibrate.sweeps.pit import UNMEASURED, Row
from simcore.models.compute.profile import NOISY, KernelProfile, Sample
from simcore.models.training.dynamic import DynamicCase, dynamic_operators
from simcore.real.sparse.choice import Chooser, by_profile, least_covered
from simcore.real.sparse.libraries import Library, LibraryOperators
from simcore.real.sparse.models import dynamic_inputs, dynamic_model
from simcore.real.sparse.operators import Operators, Stopwatch
from simcore.real.sparse.pit import PitOperators, Site

if TYPE_CHECKING:
    from simcore.models.compute.device import Device

LIBRARIES: Mapping[int, tuple[Library, ...]] = {
    8: ("loop", "grouped"), 9: ("jagged", "csr"), 10: ("jagged",), 11: ("csr", "flex"), 12: ("csr", "flex"),
    13: ("jagged",), 14: ("csr", "bsr 32"),
}  # fmt: skip
"""The libraries of torch that have what is sparse in a figure."""

TOLERANCES = {"fp32": 1e-5, "fp16": 1e-2, "bf16": 2e-2}
"""Largest difference from the dense outputs and gradients, over the largest value."""

SHARE = 0.8
"""Of a device's memory that a model may take."""


@dataclass(frozen=True)
class Clocked:
    """How to time.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda``.
    repeats : int
        Timed passes.
    budget : float
        Seconds after which no further pass is timed [s].
    profile : KernelProfile or None
        What kernels are chosen by; None for the one that covers least.
    compiled : bool
        Whether libraries that compile for a minute are timed.
    """

    device: str = "cpu"
    repeats: int = 5
    budget: float = 0.5
    profile: KernelProfile | None = None
    compiled: bool = True


def ways(case: DynamicCase, clocked: Clocked, device: Device) -> Iterator[Row]:
    """Time one model in every way.

    Parameters
    ----------
    case : DynamicCase
        The model.
    clocked : Clocked
        How to time.
    device : Device
        How much memory there is.

    Yields
    ------
    mapping
        ``case``, ``way``, ``total_seconds``, what `simcore.calibrate.sweeps.pit.UNMEASURED` holds (``seconds`` without
        the index or conversion), ``memory_bytes`` at most at once, ``error`` against dense over the largest value, and
        ``chosen``, the kernels of PIT.
    """
    blank: Row = {"case": case.name, "way": "", "total_seconds": None, **UNMEASURED, "memory_bytes": None,
                  "error": None, "chosen": ""}  # fmt: skip
    needed = needed_bytes(case)
    if needed > SHARE * device.memory:
        why = f"it needs {needed / 1e9:.3g} GB, and the device has {device.memory / 1e9:.3g} GB"
        yield {**blank, "way": "dense", "note": f"not measured: {why}"}
        return
    dtype = torch_dtype(case.dtype)
    module = dynamic_model(case).to(clocked.device, dtype).train(case.training)
    floats = (one.to(clocked.device) for one in dynamic_inputs(case))
    given = tuple(one.to(dtype) if one.is_floating_point() else one for one in floats)
    yield from module_ways(module, given, clocked, LIBRARIES[case.figure], case.dtype, blank, trains=case.training)


def module_ways(
    module: nn.Module, given: tuple[Tensor, ...], clocked: Clocked, libraries: tuple[Library, ...], dtype: str,
    blank: Row, *, trains: bool,
) -> Iterator[Row]:  # fmt: skip
    """Time a module in every way, see `ways`; where it trains a pass is forward and backward.

    On a CPU memory that a pass gives back is kept from then on, see `simcore.calibrate.measure.allocator`.
    """
    if clocked.device == "cpu":
        keep_memory()
    sites: dict[tuple[str, int], Site] = {}
    choose: Chooser = by_profile(clocked.profile) if clocked.profile else least_covered
    stopwatch = Stopwatch(clocked.device)
    with torch.no_grad(), PitOperators(sites, choose):
        module(*given)
    made: dict[str, Callable[[], Operators]] = {"dense": lambda: Operators(stopwatch)}
    for library in libraries:
        made[library] = lambda library=library: LibraryOperators(library, sites, stopwatch)  # type: ignore[misc]
    made["pit"] = lambda: PitOperators(sites, choose, stopwatch)
    wanted = _Pass(module, given, made["dense"], trains).computed()
    for way, operators in made.items():
        row: Row = {**blank, "way": way}
        if way == "flex" and not clocked.compiled:
            yield {**row, "note": "compiling it takes a minute; --full measures it"}
            continue
        try:
            _time(row, _Pass(module, given, operators, trains), stopwatch, clocked, dtype, wanted)
        except Exception as failure:  # each library refuses in a type of its own
            if is_lost(failure):
                raise
            row["note"] = reason(failure)
        if way == "pit":
            row["chosen"] = chosen(sites)
        yield row


@dataclass(frozen=True)
class _Pass:
    """One pass through a module in one way."""

    module: nn.Module
    given: tuple[Tensor, ...]
    operators: Callable[[], Operators]
    trains: bool

    def __call__(self) -> Tensor:
        """Run it; gradients of the last pass are those of the parameters."""
        if self.trains:
            self.module.zero_grad(set_to_none=True)
        with nullcontext() if self.trains else torch.no_grad():
            with self.operators():
                made: Tensor = self.module(*self.given)
            if self.trains:
                made.square().mean().backward()  # type: ignore[no-untyped-call]
        return made.detach()

    def computed(self) -> list[Tensor]:
        """Return the output, and the gradient of each parameter where it trains."""
        made = self()
        grads = [one.grad.clone() for one in self.module.parameters() if one.grad is not None] if self.trains else []
        return [made, *grads]


def _time(row: Row, run: _Pass, stopwatch: Stopwatch, clocked: Clocked, dtype: str, wanted: list[Tensor]) -> None:
    """Write into a row what a way took, and how far its results are from those of the dense module."""
    row["memory_bytes"] = peak_bytes(run, clocked.device)
    found = run.computed()
    row["error"] = max(_difference(found[:1], wanted[:1]), _difference(found[1:], wanted[1:]))
    del found
    if not row["error"] <= TOLERANCES[dtype]:
        row["note"] = f"off by {row['error']:.2g} of the largest value, {TOLERANCES[dtype]:g} is allowed"
        return
    apart: list[float] = []
    stopwatch.read()

    def timed() -> Tensor:
        made = run()
        apart.append(stopwatch.read())
        return made

    # passes follow each other, as in a loop of steps; a GPU's cache is written over, but stopwatches wait for it
    sample: Sample = time_callable(
        lambda _: (), timed, device=clocked.device, dtype=dtype, repeats=clocked.repeats, budget=clocked.budget,
        rotate=1, state="warm" if clocked.device == "cpu" else "cold",
    )  # fmt: skip
    apart = apart[-sample.repeats :]
    index = statistics.median(apart)
    row.update(
        total_seconds=sample.seconds, seconds=sample.seconds - index, index_seconds=index, spread=sample.spread,
        index_spread=spread_between(apart) if index else 0.0, repeats=sample.repeats, noisy=sample.spread > NOISY,
    )  # fmt: skip


def _difference(found: list[Tensor], wanted: list[Tensor]) -> float:
    """Return the largest difference over the largest value, of all tensors together."""
    most = max((float(one.abs().max()) for one in wanted if one.numel()), default=0.0)
    off = max((float((one - other).abs().max()) for one, other in zip(found, wanted, strict=True) if one.numel()),
              default=0.0)  # fmt: skip
    return off / most if most else off


def needed_bytes(case: DynamicCase) -> float:
    """Return about how much memory a model needs [B]: weights, and their gradients and all activations to train."""
    listed = dynamic_operators(case)
    weights = listed.parameters
    saved = listed.saved if case.training else max(one.output for one in listed)
    return weights * (2 if case.training else 1) + saved


def chosen(sites: Mapping[tuple[str, int], Site]) -> str:
    """Say which kernels of PIT run the sparse operators of a module, and how many operators each."""
    named = Counter(named_kernel(site) for site in sites.values() if site.sparse)
    return "; ".join(f"{name} ({count})" for name, count in named.items())


def named_kernel(site: Site) -> str:
    """Return an operator with its sparse operand and what runs it: ``linear, weight: k-axis 32x1``."""
    packed = {"padding": "rows packed", "routing": "rows sorted"}
    kernel = site.choice.kernel.name if site.choice.kernel else packed.get(site.operand, "dense")
    return f"{site.operator}, {site.operand}: {kernel}"


def peak_bytes(run: Callable[[], Any], device: str) -> int:
    """Return how many bytes of tensors that a pass makes are there at most at once [B].

    On a GPU the allocator says it. On a CPU each tensor's storage is counted from the operator that makes it until it
    is freed; what an operator needs inside is not seen.

    Examples
    --------
    >>> peak_bytes(lambda: torch.zeros(100) + 1, "cpu")
    800
    """
    if device.startswith("cuda"):
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        most: int = torch.cuda.max_memory_allocated() - before
        return most
    with _Peak() as peak:
        run()
    return int(peak.most)


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators make while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.most = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for one in tree_leaves((args, kwargs)):
            self._meet(one, made=False)
        out = func(*args, **(kwargs or {}))
        for one in tree_leaves(out):
            self._meet(one, made=True)
        return out

    def _meet(self, one: Any, *, made: bool) -> None:
        if not isinstance(one, Tensor) or one.layout != torch.strided or one.is_nested:
            return
        storage = one.untyped_storage()
        if storage._cdata not in self._known:
            size = storage.nbytes() if made else 0  # what came from outside is not of this pass
            self._known[storage._cdata] = size
            self.live += size
            self.most = max(self.most, self.live)
            weakref.finalize(storage, self._free, storage._cdata)

    def _free(self, key: int) -> None:
        self.live -= self._known.pop(key, 0)
