"""Where a module is dynamically sparse, and what PIT's kernels save there: each operator is timed by itself.

A module runs once on its example. Each operator with a sparse operand is kept with its operands, then timed dense and
by PIT on these, index included.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from simcore.calibrate.kernels.pit import kept
from simcore.calibrate.measure.failures import is_lost, reason
from simcore.calibrate.measure.timing import time_callable
from simcore.calibrate.suites.pit import KERNELS
from simcore.errors import InputError
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import NOISY, KernelProfile, Sample
from simcore.models.compute.sparse.stored import conversion
from simcore.real.sparse.choice import Chooser, by_profile, least_covered
from simcore.real.sparse.libraries import BEHIND_RELU, Library, LibraryOperators
from simcore.real.sparse.measure import Clocked
from simcore.real.sparse.operators import Operators, Stopwatch
from simcore.real.sparse.pit import PitOperators, Site

Told = Callable[[str, int, int], None]
"""Called with what is counted, how many are done, and how many there are."""


@dataclass(frozen=True)
class Found:
    """A sparse operator of a module, as it was on the example.

    Attributes
    ----------
    module : str
        Path of the module that calls it; empty for the whole.
    site : Site
        The operator, its sparse operand, and the kernel with its reason.
    dense, pit, index : float
        One call dense and by PIT, the index in it [s], and the index alone [s].
    spread : float
        Interquartile range over median, the larger of the two.
    backend : str
        The library that runs it too; empty where torch has none, or it does not run there.
    of_library : float or None
        One call by it, conversion included [s].
    predicted : mapping of str to float
        Predicted times of a linear layer by ``dense``, ``library`` and ``pit``, as far as the profile tells [s].
    covered : mapping of str to float
        Share of the micro-tiles or blocks of each shape that hold a non-zero, see `granularity`; empty for experts,
        whose routing is no matrix.
    """

    module: str
    site: Site
    dense: float
    pit: float
    index: float
    spread: float
    covered: Mapping[str, float]
    backend: str = ""
    of_library: float | None = None
    predicted: Mapping[str, float] = field(default_factory=dict)

    @property
    def foreseen(self) -> str:
        """The way that is predicted to be fastest; empty where nothing is predicted."""
        return min(self.predicted, key=lambda way: self.predicted[way], default="")

    @property
    def fastest(self) -> str:
        """The way that was fastest."""
        seen = {"dense": self.dense, "pit": self.pit, "library": self.of_library}
        return min((way for way, seconds in seen.items() if seconds), key=lambda way: seen[way] or 0.0)

    @property
    def gain(self) -> float:
        """How many times as fast as dense, index included."""
        return self.dense / self.pit

    @property
    def noisy(self) -> bool:
        """Whether times spread too much to be believed."""
        return self.spread > NOISY


class _Recorder(PitOperators):
    """Notes the operands of each sparse operator, and the module that calls it."""

    def __init__(self, choose: Chooser, where: Callable[[], str]) -> None:
        super().__init__({}, choose)
        self._where = where
        self.calls: dict[tuple[str, int], tuple[str, tuple[Any, ...]]] = {}

    def linear(self, *args: Any, **named: Any) -> Tensor:
        """Note a linear layer."""
        return self._noted("linear", (*args, *named.values()), super().linear)

    def product(self, *args: Any) -> Tensor:
        """Note a product."""
        return self._noted("product", args, super().product)

    def attention(self, *args: Any) -> Tensor:
        """Note an attention."""
        return self._noted("attention", args, super().attention)

    def tokenwise(self, *args: Any) -> Tensor:
        """Note a function of rows."""
        return self._noted("tokenwise", args, super().tokenwise)

    def routed(self, *args: Any) -> Tensor:
        """Note rows that are sent to experts."""
        return self._noted("routed", args, super().routed)

    def _noted(self, kind: str, args: tuple[Any, ...], run: Callable[..., Tensor]) -> Tensor:
        key = kind, self._counts.get(kind, 0)
        made = run(*args)
        if key in self.sites and self.sites[key].sparse:
            self.calls[key] = self._where(), args
        return made


def find_sparse(
    module: nn.Module, given: tuple[Tensor, ...], clocked: Clocked, dtype: str, told: Told = lambda *_: None
) -> tuple[Found, ...]:
    """Find the sparse operators of a module, and time each dense and by PIT.

    Parameters
    ----------
    module : Module
        Any torch module.
    given : tuple of Tensor
        Its inputs.
    clocked : Clocked
        How to time, and by which profile kernels are chosen.
    dtype : str
        Number format of its products.
    told : callable
        See `Told`.

    Returns
    -------
    tuple of Found
        In the order in which they run; empty where none is sparse.
    """
    choose = by_profile(clocked.profile) if clocked.profile else least_covered
    with _paths(module) as where, torch.no_grad():
        recorder = _Recorder(choose, where)
        with recorder:
            module(*given)
    found = []
    for done, ((kind, number), (path, args)) in enumerate(recorder.calls.items()):
        told("sparse operators", done, len(recorder.calls))
        found.append(_timed(kind, recorder.sites[kind, number], path, args, choose, clocked, dtype))
    told("sparse operators", len(found), len(found))
    return tuple(found)


def number_format(module: nn.Module, name: str, place: str) -> str:
    """Return the number format of a module's parameters.

    Raises
    ------
    InputError
        If PIT's kernels have none of it.
    """
    known = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
    first = next((one for one in module.parameters() if one.is_floating_point()), None)
    if first is None or first.dtype not in known:
        found = f"'{name}' with parameters of {'no numbers' if first is None else first.dtype}"
        raise InputError(place, found, "float32, float16 or bfloat16", "Convert it: module.float().")
    return known[first.dtype]


def check_inputs(module: nn.Module, given: tuple[Tensor, ...], name: str, place: str) -> None:
    """Refuse inputs that a module does not take, by running it as it is.

    Raises
    ------
    InputError
        If it fails, with what it says.
    """
    try:
        with torch.no_grad():
            module(*given)
    except Exception as error:  # a module fails in a type of its own
        if is_lost(error):
            raise
        found = f"inputs with which '{name}' fails: {reason(error)}"
        raise InputError(place, found, "inputs that fit the module", "Give other shapes or number formats.") from error


@contextmanager
def _paths(module: nn.Module) -> Iterator[Callable[[], str]]:
    """Yield what tells which module runs, innermost first."""
    stack = [""]
    hooks = []
    for name, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(lambda *_, name=name: stack.append(name)))
        hooks.append(part.register_forward_hook(lambda *_: stack.pop() and None))
    try:
        yield lambda: stack[-1]
    finally:
        for hook in hooks:
            hook.remove()


def _timed(
    kind: str, site: Site, path: str, args: tuple[Any, ...], choose: Chooser, clocked: Clocked, dtype: str
) -> Found:
    """Time one operator on its own operands."""
    stopwatch = Stopwatch(clocked.device)
    apart: list[float] = []
    sites = {(kind, 0): site}  # kept from call to call, so that what a tokenwise function calls is looked at once

    def dense() -> Any:
        with torch.no_grad():
            return getattr(Operators(stopwatch), kind)(*args)

    def pit() -> Any:
        with torch.no_grad():
            made = getattr(PitOperators(sites, choose, stopwatch), kind)(*args)
        apart.append(stopwatch.read())
        return made

    def timed(run: Callable[[], Any]) -> Sample:
        return time_callable(
            lambda _: (), run, device=clocked.device, dtype=dtype, repeats=clocked.repeats, budget=clocked.budget,
            rotate=1,
        )  # fmt: skip

    slow, fast = timed(dense), timed(pit)
    index = statistics.median(apart[-fast.repeats :])
    mask = _mask(site, args)
    covered = {} if mask is None else granularity(mask)
    library = library_of(site, args)
    stored: Sample | None = None
    if library:

        def by_library() -> Any:
            with torch.no_grad():
                return getattr(LibraryOperators(library, sites), kind)(*args)

        try:
            stored = timed(by_library)
        except Exception as failure:  # each library refuses in a type of its own
            if is_lost(failure):
                raise
    predicted = _predicted(site, args, mask, clocked.profile, dtype) if kind == "linear" else {}
    return Found(
        path, site, slow.seconds, fast.seconds, index, max(slow.spread, fast.spread), covered,
        library if library and stored else "", stored.seconds if stored else None, predicted,
    )  # fmt: skip


def library_of(site: Site, args: tuple[Any, ...]) -> Library | None:
    """Return the library of torch that has what is sparse of an operator; None where none has.

    Attention has one mask of all samples then. What a ReLU leaves of an input is not sparse enough.

    Parameters
    ----------
    site : Site
        The operator.
    args : tuple
        Its operands.
    """
    if site.operator == "attention":
        return "csr" if len(args[3]) == 1 else None
    if site.operator == "linear":
        return "csr" if site.operand == "weight" or site.zeros > BEHIND_RELU else None
    of_rows: dict[str, Library] = {"tokenwise": "jagged", "routed": "grouped"}
    return of_rows.get(site.operator)


def _predicted(
    site: Site, args: tuple[Any, ...], mask: Tensor | None, profile: KernelProfile | None, dtype: str
) -> dict[str, float]:
    """Return what a linear layer is predicted to take densely, in CSR and by PIT [s]; nothing without a profile."""
    chosen = site.choice.selection
    if chosen is None or profile is None or mask is None:
        return {}
    found = {"dense": chosen.dense.total, "pit": chosen.best.total}
    kernels = ("csr-convert", "csr")
    if library_of(site, args) and all(any(one.kernel == name for one in profile.fits) for name in kernels):
        columns = args[0].flatten(0, -2).shape[0] if site.operand == "weight" else len(args[1])
        stored = conversion("csr", mask.cpu().numpy())
        product = {"m": len(mask), "n": columns, "k": mask.shape[1], "stored": stored["stored"], "batch": 1}
        found["library"] = sum(
            predict(profile, name, dtype, shape, extrapolate=True).seconds
            for name, shape in zip(kernels, (stored, product), strict=True)
        )
    return found


def granularity(mask: Tensor) -> dict[str, float]:
    """Return which share of the micro-tiles and blocks of PIT's kernels hold a non-zero, and of whole rows.

    A share near that of the elements says that zeros lie together in such tiles; one near 1 says that they do not.

    Parameters
    ----------
    mask : Tensor of bool, shape (rows, columns)
        Where the sparse operand is not zero.

    Returns
    -------
    dict of str to float
        By shape, such as ``32x1``; ``1x1`` are the elements.

    Examples
    --------
    >>> mask = torch.zeros(64, 64, dtype=torch.bool)
    >>> mask[:, 3] = True
    >>> found = granularity(mask)
    >>> found["1x1"], found["32x1"], found["1x32"], found["whole rows"]
    (0.015625, 0.015625, 0.5, 1.0)
    """
    sizes = [(1, 1), *(kernel.micro for kernel in KERNELS["cpu"] if kernel.axis != "n")]
    shares = {f"{high}x{wide}": float(kept(mask, high, wide).double().mean()) for high, wide in sizes}
    return {**shares, "whole rows": float(mask.any(1).double().mean())}


def _mask(site: Site, args: tuple[Any, ...]) -> Tensor | None:
    """Return where the sparse operand of a call is not zero, as a matrix; of padding a row for each position."""
    if site.operand == "input":
        operand: Tensor = args[0]
        return operand.flatten(0, -2) != 0
    if site.operand == "weight":
        weight: Tensor = args[1]
        return weight != 0
    if site.operand == "mask":
        mask: Tensor = args[3]
        return mask.flatten(0, 1)
    if site.operand == "padding":
        valid: Tensor = args[1]
        return valid.flatten()[:, None]
    return None
