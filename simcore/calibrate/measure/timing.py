"""Timing a kernel so that the number can be believed: warm, cold caches, changing inputs, checked outputs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from simcore.calibrate.measure.clocks import calls_in_a_row, cpu_calls, cuda_calls, cuda_warm, host_calls, written_calls
from simcore.calibrate.measure.device import current, require_torch, resolve_device
from simcore.calibrate.measure.failures import WrongOutput, unmeasured
from simcore.calibrate.measure.passes import spread_between
from simcore.errors import RunError
from simcore.models.compute.profile import Sample, State

Inputs = tuple[Any, ...]
Check = Callable[[Any, Inputs], float]

TOLERANCE = {"fp64": 1e-12, "fp32": 1e-5, "tf32": 5e-3, "fp16": 1e-2, "bf16": 5e-2}
"""Largest relative error (Frobenius norm) of an output against float64, by number format."""


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    kernel, dtype, shape
        See `simcore.models.compute.profile.Sample`.
    make_inputs : callable
        Takes an index and returns a fresh tuple of inputs; never zeros.
    run : callable
        Takes these inputs and returns the output.
    check : callable, optional
        Takes the output and the inputs and returns the relative error against float64.
    held_out : bool
        Whether the fit must not see it.
    state : {'cold', 'warm'}
        Whether the caches are overwritten before each call, or calls follow each other in a row.
    host : bool
        Whether the host's clock is read around warm calls on a GPU too, as launch overheads want it.
    tolerance : float, optional
        In place of `TOLERANCE` for the number format.
    written : bool
        Whether a call on a CPU is warm in that its inputs, all tensors, were just written.
    """

    kernel: str
    dtype: str
    shape: Mapping[str, float]
    make_inputs: Callable[[int], Inputs]
    run: Callable[..., Any]
    check: Check | None = None
    held_out: bool = False
    state: State = "cold"
    tolerance: float | None = None
    host: bool = False
    written: bool = False

    @cached_property
    def key(self) -> str:
        """Key of the sample it gives."""
        return Sample(self.kernel, self.dtype, self.shape, 0.0, state=self.state).key

    def in_both(self) -> tuple[Case, Case]:
        """Return the same case cold and warm."""
        return replace(self, state="cold"), replace(self, state="warm")


def time_callable(
    make_inputs: Callable[[int], Inputs],
    run: Callable[..., Any],
    *,
    device: str = "cpu",
    kernel: str = "kernel",
    dtype: str = "fp32",
    shape: Mapping[str, float] | None = None,
    repeats: int = 9,
    rotate: int = 3,
    budget: float = 1.0,
    check: Check | None = None,
    tolerance: float | None = None,
    state: State = "cold",
    host: bool = False,
    written: bool = False,
    held_out: bool = False,
) -> Sample:
    """Time one kernel at one shape.

    Parameters
    ----------
    make_inputs : callable
        ``make_inputs(i)`` returns the i-th tuple of inputs, i below `rotate`; they must differ and not be all zeros.
    run : callable
        ``run(*inputs)`` computes once and returns the output.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``: where the inputs lie.
    kernel, dtype, shape, held_out
        Copied into the sample.
    repeats : int
        Timed calls; at least 3 are made even if they take longer than `budget`.
    rotate : int
        Sets of inputs that take turns.
    budget : float
        Seconds after which no further call is timed [s].
    check : callable, optional
        ``check(output, inputs)`` returns the output's relative error against float64, see
        `simcore.calibrate.measure.tensors.relative_error`.
    tolerance : float, optional
        Largest error that passes; `TOLERANCE` by default.
    state : {'cold', 'warm'}
        Whether the caches are overwritten before each call, or calls of the same inputs follow each other in a row.
    host : bool
        Whether the host's clock is read around warm calls on a GPU too.
    written : bool
        Whether a call on a CPU is warm in that its inputs, all tensors, were just written.

    Returns
    -------
    Sample
        Median seconds of a call and the interquartile range over it.

    Raises
    ------
    OutOfMemory
        If the device has too little memory.
    Unsupported
        If device, torch or triton refuse to run it.
    WrongOutput
        If the output is.
    RunError
        If an input is all zeros.

    Examples
    --------
    >>> from simcore.calibrate.measure.tensors import random_tensor
    >>> time_callable(lambda i: (random_tensor((64, 64), "fp32", "cpu", i),), lambda a: a @ a).seconds > 0
    True
    """
    torch = require_torch()
    target = resolve_device(device)
    allowed = TOLERANCE.get(dtype, 0.0) if tolerance is None else tolerance
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    if target.type == "cpu":
        torch.set_num_threads(1)
    try:
        with current(device):
            pool = [make_inputs(i) for i in range(rotate)]
            _refuse_zeros(kernel, pool)
            output = run(*pool[0])  # the first call also compiles and loads what it needs
            error = _checked(f"{kernel} {dtype} {dict(shape or {})}", check, output, pool[0], allowed)
            del output
            seconds = _clock(target.type, state, host, written)(run, pool, repeats, budget, target)
    except Exception as failure:
        raise (unmeasured(failure, f"{kernel} {dict(shape or {})}") or failure) from None
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        if target.type == "cuda":
            torch.cuda.empty_cache()
    middle = statistics.median(seconds)
    spread, count = spread_between(seconds), len(seconds)
    return Sample(kernel, dtype, dict(shape or {}), middle, spread, count, held_out, error, state=state)


def _clock(kind: str, state: State, host: bool, written: bool) -> Callable[..., list[float]]:
    """Return what times single calls on a device in a state."""
    if kind == "cuda" and host:
        return host_calls
    if kind == "cpu" and written:
        return written_calls
    cold, warm = (cuda_calls, cuda_warm) if kind == "cuda" else (cpu_calls, calls_in_a_row)
    return warm if state == "warm" else cold


def time_case(case: Case, device: str, repeats: int, budget: float = 1.0) -> Sample:
    """Time a case, see `time_callable`."""
    return time_callable(
        case.make_inputs,
        case.run,
        device=device,
        kernel=case.kernel,
        dtype=case.dtype,
        shape=case.shape,
        repeats=repeats,
        rotate=1 if case.state == "warm" and not case.written else 2,
        budget=budget,
        check=case.check,
        tolerance=case.tolerance,
        state=case.state,
        host=case.host,
        written=case.written,
        held_out=case.held_out,
    )


def _refuse_zeros(kernel: str, pool: list[Inputs]) -> None:
    torch = require_torch()
    for inputs in pool:
        for one in inputs:
            if not (isinstance(one, torch.Tensor) and one.is_floating_point() and one.numel()):
                continue
            if not (one if one.layout == torch.strided else one.values()).any():
                raise RunError(f"{kernel}: an input is all zeros, whose timing would mean nothing")


def _checked(what: str, check: Check | None, output: Any, inputs: Inputs, allowed: float) -> float | None:
    if check is None:
        return None
    error = check(output, inputs)
    if not error <= allowed:
        raise WrongOutput(f"{what}: the output is off by {error:.2g} of its norm, {allowed:g} is allowed")
    return error
