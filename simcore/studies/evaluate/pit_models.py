"""``simcore evaluate pit-fig8`` to ``pit-fig14``: PIT's models, measured here and predicted for other devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.errors import field
from simcore.models.compute.profile import NOISY, KernelProfile
from simcore.models.training.dynamic import DynamicCase, dynamic_cases
from simcore.models.training.dynamic_times import has_own_kernels, predict_dynamic, published_table
from simcore.progress import tell
from simcore.readers.profiles import read_profile
from simcore.readers.tile_tables import read_tile_table
from simcore.report import Block, Headline, Sentences, grid
from simcore.results import Provenance, Row, Table, versions
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.targets import PIT_MODELS
from simcore.studies.inputs import device_profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADLINE = (
    "PIT (SOSP 2023, abstract) states up to 5.9 times as fast as other systems, 2.43 times on average, over all its "
    "models and GPUs; no bar of this figure is public."
)
"""All that is published of these figures."""

LACKS = {
    "cpu": "No way here: 2:4 sparsity and varlen attention are not there on a CPU. Flex attention is forward only, and "
    "BSR has no backward pass. Grouped products want rows that are multiples of 16 bytes.",
    "cuda": "No way here: 2:4 sparsity, as no mask has its pattern, and varlen attention, which is not timed.",
}
"""What is missing, by device."""

PASSES = {
    "cuda": "Medians of CUDA events, L2 overwritten between passes.",
    "cpu": "One CPU thread, its own time, passes in a row; what one frees is kept for the next.",
}
"""How they are timed, by device."""

COUNTED = (
    "The library and PIT are without conversion and index, which stand beside them; the total has PIT's index. "
    "Both are made anew in every pass."
)
POINTS = (
    "case", "way", "total_seconds", "seconds", "index_seconds", "spread", "index_spread", "repeats", "noisy",
    "memory_bytes", "error", "chosen", "note",
)  # fmt: skip
SUMMARY = (
    "case", "dense", "library", "library_seconds", "conversion", "pit", "index", "total", "speedup", "fastest",
    "noisy",
)  # fmt: skip
PREDICTED = ("case", "device", "way", "library", "total_seconds", "index_seconds", "error", "note")


class ModelEvaluation(Evaluation):
    """Tables of measurements, and of predictions where they were asked for.

    `points` holds every way, `summary` the best library beside dense and PIT, `predicted` other devices.
    """

    def report(self) -> Sequence[Block]:
        """Return the times of each case, and how they were made."""
        times = ("dense", "library_seconds", "conversion", "pit", "index", "total")
        rows = [
            [row["case"], *(_ms(row[name]) for name in times[:1]), row["library"] or "-",
             *(_ms(row[name]) for name in times[1:]), _ratio(row["speedup"]), "NOISY" if row["noisy"] else ""]
            for row in self.data["summary"]
        ]  # fmt: skip
        names = ("case", "dense", "by", "library", "conversion", "PIT", "index", "total", "dense/total", "")
        blocks: list[Block] = [Headline(f"{self.title} [ms]"), grid(*names, left=(0, 2, 9), rows=rows)]
        if "predicted" in self.data:
            blocks.append(Headline("Predicted, with conversion or index [ms]", "fastest foreseen, and measured here"))
            told = ("case", "device", "dense", "by", "library", "PIT", "foreseen", "measured")
            blocks.append(grid(*told, left=(0, 1, 3, 6, 7), rows=list(self._foreseen())))
        return [*blocks, Sentences("", self.notes)]

    def _foreseen(self) -> Iterator[list[str]]:
        """Yield the predicted times of each case and device, the fastest of them, and the fastest that was measured."""
        measured = {row["case"]: row["fastest"] for row in self.data["summary"]}
        rows = [row for row in self.data["predicted"] if row["total_seconds"]]
        for case, device in dict.fromkeys((row["case"], row["device"]) for row in rows):
            ways = {row["way"]: row for row in rows if (row["case"], row["device"]) == (case, device)}
            times = {way: _ms(row["total_seconds"]) for way, row in ways.items()}
            best = min(ways.values(), key=lambda row: row["total_seconds"])
            library = ways.get("library", {}).get("library", "")
            yield [case, device, times.get("dense", "-"), library or "-", times.get("library", "-"),
                   times.get("pit", "-"), best["library"] or best["way"], measured.get(case, "") or "-"]  # fmt: skip

    def figures(self) -> Mapping[str, Figure]:
        """Draw dense, the best library and PIT of each case."""
        from simcore.plots import caption
        from simcore.studies.evaluate.figures_pit_models import draw

        return {self.request.target: caption(draw(self.data["summary"]), " ".join([f"{self.title}.", *self.notes]))}


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.4g}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def evaluate(request: EvaluateRequest) -> ModelEvaluation:
    """Measure one of PIT's figures of models, and predict it.

    Parameters
    ----------
    request : EvaluateRequest
        The device is ``cpu`` by default; small has models that a CPU runs in seconds.

    Raises
    ------
    InputError
        For a device or a profile that is not there, or that PIT's published tiles do not reach.
    MissingExtraError
        If torch is not installed.
    """
    from simcore.calibrate.measure.device import current, describe, device_name, resolve_device

    target, device = request.target, request.device or "cpu"
    kind = resolve_device(device).type
    cases = dynamic_cases(int(target.removeprefix("pit-fig")), small=request.small)
    names = [name for text in request.predict for name in str(text).split(",")]
    profiles = [device_profile(name, field("predict")) for name in names]
    predicted = [row for one in profiles for row in _predicted(one, cases, extrapolate=request.extrapolate)]
    from simcore.real.sparse.measure import Clocked, ways

    profile = _own_profile(profiles, device_name(device), kind)
    budget = 0.2 if request.small else 2.0
    clocked = Clocked(device, 5 if request.small else 7, budget, profile, compiled=not request.small)
    points: list[dict[str, Any]] = []
    with current(device):
        for case in cases:
            for row in ways(case, clocked, describe(device_name(device), device)):
                points.append(row)
                tell(f"{row['case']}, {row['way']}", len(points))
    tables = {"points": _table(POINTS, points), "summary": _table(SUMMARY, _summed_up(points))}
    if predicted:
        tables["predicted"] = _table(PREDICTED, predicted)
    hashes = {"profile": profile.sha256} if profile else {}
    return ModelEvaluation(
        request=request,
        title=PIT_MODELS.titles[target],
        data=tables,
        settings={"cases": [case.name for case in cases], "profile": profile.name if profile else ""},
        notes=(*_notes(cases, points, profile, kind, device_name(device)), *_not_predicted(predicted)),
        provenance=Provenance(
            request.study, request.resolved(device=device).inputs(), hashes, seed=0, versions=versions("numpy", "torch")
        ),
    )


def _own_profile(profiles: Sequence[KernelProfile], device: str, kind: str) -> KernelProfile | None:
    """Return what kernels are chosen by: a profile of the device at hand, else on a CPU the one that simcore has."""
    own = (one for one in profiles if one.fingerprint.get("device") == device and has_own_kernels(one))
    return next(own, read_profile("cpu").value if kind == "cpu" else None)


def _notes(
    cases: Sequence[DynamicCase], points: Sequence[Row], profile: KernelProfile | None, kind: str, name: str
) -> Iterator[str]:
    """Say how a figure was made, what is missing, and what was chosen."""
    passes = "forward and backward" if cases[0].training else "forward"
    yield f"One pass, {passes}. {PASSES[kind]} Spread: interquartile range over median; NOISY: above {NOISY:.0%}."
    yield COUNTED
    for note in dict.fromkeys((row["way"], row["note"]) for row in points if row["note"]):
        where = [row["case"] for row in points if (row["way"], row["note"]) == note]
        yield f"{note[0]}: {note[1]} ({where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''})."
    yield LACKS[kind]
    yield f"Measured on {name}: milliseconds change from run to run."
    worst = max((row["error"] for row in points if row["total_seconds"]), default=0.0)
    what = "outputs and gradients" if cases[0].training else "outputs"
    yield f"The {what} of every way that is timed equal those of dense, but for {worst:.1e} of the largest value."
    yield from dict.fromkeys(f"Drawn, not published: {drawn}." for case in cases for drawn in case.drawn)
    yield HEADLINE
    by = f"predicted times of profile {profile.name}, dense among them" if profile else "what each covers least"
    yield f"Kernels of PIT, chosen by {by}:"
    yield from (f"{row['case']}: {row['chosen']}." for row in points if row["chosen"])


def _summed_up(points: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield for each case the dense time, that of the best library, and that of PIT.

    The library is chosen without its conversion, which favours it.
    """
    for case in dict.fromkeys(row["case"] for row in points):
        ran = {row["way"]: row for row in points if row["case"] == case and row["total_seconds"]}
        libraries = [row for way, row in ran.items() if way not in {"dense", "pit"}]
        library: Row = min(libraries, key=lambda row: row["seconds"], default={})
        dense, pit = ran.get("dense", {}), ran.get("pit", {})
        total = pit.get("total_seconds")
        yield {
            "case": case, "dense": dense.get("total_seconds"), "library": library.get("way", ""),
            "library_seconds": library.get("seconds"), "conversion": library.get("index_seconds"),
            "pit": pit.get("seconds"), "index": pit.get("index_seconds"), "total": total,
            "speedup": dense["total_seconds"] / total if dense and total else None,
            "fastest": min(ran, key=lambda way: ran[way]["total_seconds"], default=""),
            "noisy": any(row.get("noisy") for row in (dense, library, pit)),
        }  # fmt: skip


def _predicted(profile: KernelProfile, cases: Sequence[DynamicCase], *, extrapolate: bool) -> Iterator[dict[str, Any]]:
    """Yield what each way of each case takes on a profiled device, or why it has no prediction."""
    for case in cases:
        zeros = case.weights is not None or case.activations is not None
        table = published_table(profile, *read_tile_table(), extrapolate=extrapolate) if zeros else None
        found = predict_dynamic(case, profile, table=table)
        for way, time in found.ways.items():
            yield {"case": case.name, "device": profile.name, "way": way.value, "library": time.backend,
                   "total_seconds": time.seconds, "index_seconds": time.index, "error": time.error,
                   "note": "; ".join(time.notes)}  # fmt: skip
        for way, why in found.missing.items():
            yield {"case": case.name, "device": profile.name, "way": way.value, "library": "", "note": why}


def _not_predicted(predicted: Sequence[Row]) -> Iterator[str]:
    """Say which ways of which devices have no prediction, each reason once."""
    for device, way, why in dict.fromkeys(
        (row["device"], row["way"], row["note"]) for row in predicted if not row.get("total_seconds")
    ):
        yield f"Not predicted for {device}, {way}: {why}."


def _table(columns: Sequence[str], rows: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> Table:
    return Table(columns, [[row.get(name) for name in columns] for row in rows])
