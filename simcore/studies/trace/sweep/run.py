"""``simcore sweep trace``: every combination of some options' values, over seeds, on all cores or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from simcore.errors import InputError, field
from simcore.files import read_bytes, sha256
from simcore.models.cluster.policies.registry import listed, policy_file
from simcore.piping import is_input_file
from simcore.progress import tell
from simcore.results import Provenance, to_json, versions
from simcore.studies.parallel import checked_jobs, in_parallel
from simcore.studies.request import study
from simcore.studies.trace.run import trace
from simcore.studies.trace.seeds import NO_METRICS
from simcore.studies.trace.sweep.inputs import POLICY, Cell, axes_of, cells_of
from simcore.studies.trace.sweep.kept import Kept
from simcore.studies.trace.sweep.outcome import Values
from simcore.studies.trace.sweep.request import TraceSweepRequest
from simcore.studies.trace.sweep.result import TraceSweepResult

RELATIVE = ("jct_improvement", "makespan_improvement")
"""Columns of a summary that compare it with another policy's, of which a run of one has none."""


@study(TraceSweepRequest)
def trace_sweep(
    request: TraceSweepRequest,
    *,
    jobs: int | str | None = 1,
    keep: str | Path | Kept | None = None,
) -> TraceSweepResult:
    """Run a trace at every combination of some options' values, each over the same seeds.

    `trace_sweep.of` also takes ``jobs``, the processes or a dask cluster, see `simcore.studies.parallel.in_parallel`,
    and ``keep``, the folder in which finished runs are kept and from which a sweep goes on.

    Raises
    ------
    InputError
        If an option cannot be varied, a value is wrong, or the folder is that of another sweep.
    RunError
        If a policy of the user's own fails, or no cluster answers.

    Examples
    --------
    >>> result = trace_sweep("synthetic:jobs=20", vary="policy=fifo,srtf", interval="event", seeds=3)
    >>> [(row["policy"], row["seeds"]) for row in result.table if row["metric"] == "mean_jct_s"]
    [('fifo', 3), ('srtf', 3)]
    """
    started = time.process_time()
    checked_jobs(jobs)
    axes = axes_of(request)
    cells, what = cells_of(request, axes)
    said = requested(request)
    kept = keep if isinstance(keep, Kept) else Kept(None if keep is None else Path(keep), said)
    if kept.folder is not None:
        _check_files(request)
    done = {cell.key: run for cell in cells if (run := kept.read(cell.key)) is not None}
    left = [cell for cell in cells if cell.key not in done]
    tell("runs", len(cells) - len(left), len(cells))
    with closing(in_parallel(run_cell, left, jobs)) as finished:
        for number, run in finished:
            kept.add(left[number].key, run)
            done[left[number].key] = run
            tell("runs", len(done), len(cells))
    runs = [done[cell.key] for cell in cells]
    first = {cell.values: run["warnings"] for cell, run in zip(cells, runs, strict=True) if cell.seed == request.seed}
    warnings = warned(list(axes), first)
    if request.seeds > 1 and not what:
        warnings.append("no seed changes anything here: there is one run of each. Draw the trace anew (--resample)")
    return TraceSweepResult(
        request_text=said,
        axes=axes,
        cells=tuple((cell.values, cell.seed) for cell in cells),
        rows=tuple(run["row"] for run in runs),
        varied=tuple(what),
        seeds=request.seeds,
        warnings=tuple(warnings),
        provenance=Provenance(
            command=request.study,
            inputs=request.inputs(),
            sha256={role: digest for run in runs for role, digest in run["sha256"].items()},
            counts={"runs": len(cells)},
            seed=request.seed if what else None,
            versions=versions("numpy", "scipy", "simpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def warned(axes: Sequence[str], runs: Mapping[tuple[Any, ...], Sequence[str]]) -> list[str]:
    """Return each warning once, and at which values it holds where it does not hold at all of them.

    Parameters
    ----------
    axes : sequence of str
        The options that vary.
    runs : mapping of tuple to sequence of str
        By the values of these options, the warnings of a run. What names its policy is not said of the policy again.

    Examples
    --------
    >>> warned(["cluster", "load"], {("a", 1.0): ["full", "old"], ("b", 1.0): ["old"]})
    ['full (with cluster a)', 'old']
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    for values, warnings in runs.items():
        for warning in dict.fromkeys(warnings):
            found.setdefault(warning, []).append(values)
    said = []
    for warning, places in found.items():
        parts = []
        for place, name in enumerate(axes):
            those, all_ = ({values[place]: None for values in each} for each in (places, runs))
            if len(those) < len(all_) and not (name == POLICY and any(str(one) in warning for one in those)):
                parts.append(f"{name.replace('_', '-')} {', '.join(map(str, those))}")
        said.append(f"{warning} (with {'; '.join(parts)})" if parts else warning)
    return said


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one policy with one seed; plain containers, as they are kept and cross to other processes."""
    result = trace.of(cell.request)
    row = {
        name: value for name, value in result.table[0].items() if name not in NO_METRICS and name not in RELATIVE
    }  # fmt: skip
    return {"row": row, "warnings": list(result.warnings), "sha256": dict(result.provenance.sha256)}


def requested(request: TraceSweepRequest) -> str:
    """Return a sweep as text, with the hashes of the files that it names: the same text is the same sweep."""
    inputs, axes = request.inputs(), axes_of(request)
    said = {"inputs": inputs, "varies": sorted(axes), "sha256": _hashes(inputs, axes)}
    return to_json(said | {"versions": versions("numpy", "simpy")})


def _hashes(inputs: Mapping[str, Any], axes: Mapping[str, Values]) -> dict[str, str]:
    """Return the hashes of the files that a sweep reads, by what they are and how they are called."""
    texts = [text for each in inputs["policies"] if isinstance(each, str) for text in listed(each)]
    files = ("trace", "cluster", "rates", "overheads")
    named = [(name, text) for name in files for text in axes.get(name, (inputs[name],))]
    paths = {f"{name} {text}": Path(text) for name, text in named if isinstance(text, str)}
    paths |= {
        f"policy {text}": path for text in axes.get(POLICY, texts) if (path := policy_file(str(text))) is not None
    }
    return {role: sha256(read_bytes(path, role, None)) for role, path in paths.items() if is_input_file(path)}


def _check_files(request: TraceSweepRequest) -> None:
    """Refuse to keep runs of objects in memory, which a later run cannot tell from others."""
    for name, value in request.inputs().items():
        if isinstance(value, dict) and set(value) == {"in_memory"}:
            raise InputError(
                field(name), f"'{value['in_memory']}' in memory", "a name or a file", "Write it to a file."
            )
