"""``simcore validate``: the model against measured rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simcore.errors import InputError, field
from simcore.models.training.parallel.stack import Stack
from simcore.results import Provenance, versions
from simcore.studies.request import study
from simcore.studies.validate.columns import COLLECTIVES, ITERATIONS, lasting, read_columns
from simcore.studies.validate.memory import MemoryValidation, validate_memory
from simcore.studies.validate.noise import repeats, setting
from simcore.studies.validate.outcome import Measured
from simcore.studies.validate.request import ValidateRequest
from simcore.studies.validate.result import ValidateResult
from simcore.studies.validate.rows import Held

FILES = ("rows", "collectives", "memory", "add")
"""Fields that name a file, of which one is given at most."""

SHIPPED = "public measurements"
"""What the rows that ship with simcore are called."""


@study(ValidateRequest)
def validate(request: ValidateRequest) -> ValidateResult | MemoryValidation:
    """Hold the model against measured rows.

    Raises
    ------
    InputError
        If a file cannot be read, lacks a column, or has no row of the source that is asked for.
    """
    _check(request)
    if request.memory is not None:
        return validate_memory(request, request.memory, lambda sources: chosen(request.source, sources))
    started = time.process_time()
    read, stack, fits = _added(request.add) if request.add is not None else (_read(request), None, ())
    sources = chosen(request.source, [row.source for each in read for row in each.measured.rows])
    given = request.add or request.rows or request.collectives
    return ValidateResult(
        name=SHIPPED if given is None else Path(given).name,
        measured=tuple(kept for each in read if (kept := _of(each.measured, sources)).rows),
        stack=stack,
        stacks=() if request.add is not None else _stacks(read),
        fits=fits,
        warnings=tuple(each.warning for each in read if each.warning),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved().inputs(),
            sha256={each.measured.what: each.sha256 for each in read},
            versions=versions(),
        ),
        cpu_seconds=time.process_time() - started,
    )


CALLED = {
    "bloom": ("bigscience-workshop",), "selene": ("korthikanti", "narayanan", "mt-nlg"), "mlperf": ("mlcommons",),
    "mosaic": ("mosaicml",), "dgx-cloud": ("nvidia/dgxc",), "nemo": ("nvidia/nemo@", "nvidia/dgxc"),
    "aceso": ("aceso", "microsoft/superscaler"),
}  # fmt: skip
"""What public sources are also called, and how their texts begin."""


def chosen(text: str, sources: Sequence[str]) -> list[str]:
    """Return the sources that contain a text in any case, or that are called so (`CALLED`), each once.

    Raises
    ------
    InputError
        If none does, naming those there are.

    Examples
    --------
    >>> chosen("VTRAIN", ["VIA-Research/vTrain", "Aceso", "VIA-Research/vTrain"])
    ['VIA-Research/vTrain']
    >>> chosen("bloom", ["bigscience-workshop/bigscience", "Narayanan et al."])
    ['bigscience-workshop/bigscience']
    """
    each = list(dict.fromkeys(sources))
    begins = CALLED.get(text.lower(), ())
    found = [source for source in each if text.lower() in source.lower() or source.lower().startswith(begins)]
    if each and not found:
        there = ", ".join(dict.fromkeys(word for source in each for word in typed(source)))
        raise InputError(field("source"), f"'{text}'", f"a part of one of {there}")
    return found


def typed(source: str) -> list[str]:
    """Return words that choose a source: what people call it, and its text up to a version, a bracket or a comma.

    Examples
    --------
    >>> typed("VIA-Research/vTrain@f8dda847 (MICRO'24)"), typed("bigscience-workshop/bigscience@9e64edec")
    (['VIA-Research/vTrain'], ['bloom', 'bigscience-workshop/bigscience'])
    """
    called = [name for name, begins in CALLED.items() if source.lower().startswith(begins)]
    return [*called, re.split(r"[@(,]", source)[0].strip() or source]


@dataclass(frozen=True)
class _Read:
    """A table of measurements as it was read; the warning is empty where there is none."""

    measured: Measured
    sha256: str
    warning: str = ""


def _check(request: ValidateRequest) -> None:
    given = [name for name in FILES if getattr(request, name) is not None]
    if len(given) > 1:
        raise InputError(field(given[1]), f"{field(given[0])} beside it", "one file", f"Leave {field(given[1])} out.")
    if request.add is not None and request.source:
        remedy = f"Leave {field('source')} out."
        raise InputError(field("source"), f"{field('add')} beside it", "constants fitted to all rows", remedy)


def _read(request: ValidateRequest) -> list[_Read]:
    """Read the file that is given, or both that ship with simcore."""
    if request.rows is not None:
        return [_iterations(request.rows)]
    if request.collectives is not None:
        return [_collectives(request.collectives)]
    from simcore.studies.validate.shipped import shipped_collectives, shipped_iterations

    iterations, collectives = shipped_iterations(), shipped_collectives()
    return [_iterations(iterations), _collectives(collectives)]


def _iterations(path: str | Path) -> _Read:
    from simcore.studies.validate.iterations import held_against_iterations

    return _held("iterations", path, ITERATIONS, held_against_iterations)


def _collectives(path: str | Path) -> _Read:
    from simcore.studies.validate.collectives import held_against_collectives

    return _held("collectives", path, COLLECTIVES, held_against_collectives)


def _added(path: str | Path) -> tuple[list[_Read], Stack, tuple[str, ...]]:
    """Fit constants to rows, and hold what they predict against them."""
    from simcore.studies.validate.iterations import fit_to

    fitted: list[tuple[Stack, tuple[str, ...]]] = []

    def hold(file: str | Path) -> Sequence[Held]:
        rows, stack, sentences = fit_to(file)
        fitted.append((stack, tuple(sentences)))
        return tuple(rows)

    read = _held("iterations", path, ITERATIONS, hold)
    return [read], *fitted[0]


def _held(what: str, path: str | Path, columns: Sequence[str], hold: Callable[[str | Path], Sequence[Held]]) -> _Read:
    """Read a table, hold the model against its rows, and find rows that repeat a measurement."""
    with lasting(path) as place:
        file = read_columns(place, columns)
        settings = [setting(row) for _, row in file.rows()]
        rows = tuple(hold(place))
    if len(rows) != len(settings):
        warning = f"{len(settings):,} rows were read and {len(rows):,} judged: noise of repeated rows is left out."
        return _Read(Measured(what, rows), file.sha256, warning)
    return _Read(Measured(what, rows, tuple(repeats(rows, settings))), file.sha256)


def _stacks(read: Sequence[_Read]) -> tuple[Stack, ...]:
    """Return the stacks of the zoo that were fitted to some of the rows."""
    from simcore.readers.stacks import read_stacks

    ids = {row.row_id for each in read if each.measured.what == "iterations" for row in each.measured.rows}
    return tuple(stack for stack in read_stacks().values() if stack.fitted & ids) if ids else ()


def _of(measured: Measured, sources: Sequence[str]) -> Measured:
    """Return the rows of some sources."""
    wanted = frozenset(sources)
    return Measured(
        measured.what,
        tuple(row for row in measured.rows if row.source in wanted),
        tuple(pair for pair in measured.spreads if pair[0].source in wanted),
    )
