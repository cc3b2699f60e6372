"""``simcore evaluate pit-...``: PIT's figures about kernels, measured on the device at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.models.compute.profile import NOISY
from simcore.progress import tell
from simcore.report import Block
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.report import measured_report
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.targets import PIT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = {"cuda": 4096, "cpu": 1024}
SMALL = 256
HALF = {"cuda": "fp16", "cpu": "fp32"}
KERNELS = {
    True: "Triton kernels that gather while they load.",
    False: "Plain torch kernels: gathering is a pass of its own.",
}
CLOCKS = {
    "cuda": "Medians of CUDA events, L2 overwritten between calls.",
    "cpu": "One CPU thread, its own time, cold caches.",
}
COUNTED = {
    "pit-fig15": "The dense product is timed once for all rows. "
    "Conversion to CSR and BSR is left out, of PIT 'total' has the index; points.csv has both.",
    "pit-sequence": "The padded layer is timed once for all rows. "
    "The index of a packed batch, its positions that hold a token, is in its total.",
}
"""What is in the times and what is not, by target."""


class PitEvaluation(Evaluation):
    """Tables of measurements: `points` holds every one, `summary` the quickest where there is one."""

    def report(self) -> Sequence[Block]:
        """Return the measurements, and how they were made."""
        return measured_report(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw the measurements."""
        from simcore.plots import caption
        from simcore.studies.evaluate.figures_pit import draw

        what = f"{self.title}; size {self.settings['size']}, {self.settings['dtype']}."
        return {self.request.target: caption(draw(self.name, self.data), " ".join([what, *self.notes]))}


def evaluate(request: EvaluateRequest) -> PitEvaluation:
    """Measure one of PIT's figures.

    Parameters
    ----------
    request : EvaluateRequest
        The device is ``cpu`` by default; small has sizes of 256, for a look at how it works.

    Raises
    ------
    InputError
        For a device that is not there.
    MissingExtraError
        If torch is not installed.
    """
    target, small = request.target, request.small
    device = request.device or "cpu"
    from simcore.calibrate.measure.device import current, device_name, has_triton, resolve_device
    from simcore.calibrate.measure.formats import experts_format
    from simcore.calibrate.sweeps.layers import experts, sequences
    from simcore.calibrate.sweeps.pit import Bench, figure15, figure16, figure17
    from simcore.calibrate.sweeps.summary import best_rows, left_out

    kind = resolve_device(device).type
    size = SMALL if small else SIZES[kind]
    with current(device):
        dtype = {"pit-fig16": HALF[kind], "pit-moe": experts_format(kind)}.get(target, "fp32")
    fused = kind == "cuda" and has_triton()
    bench = Bench(device, dtype, repeats=3 if small else 5, budget=0.05 if small else 0.3, fused=fused)
    sweeps = {
        "pit-fig15": lambda: figure15(bench, size),
        "pit-fig16": lambda: figure16(bench, size),
        "pit-fig17": lambda: figure17(bench, size),
        "pit-moe": lambda: experts(bench, 4 * size, size // 2),
        "pit-sequence": lambda: sequences(bench, 8 if small else 32, 32 if small else 128, size // 2),
    }
    points = []
    with current(device):
        for row in sweeps[target]():
            points.append(row)
            tell(", ".join(str(value) for value in list(row.values())[:3]), len(points))
    tables = {"points": _table(points)}
    if target == "pit-fig15":
        tables["summary"] = _table(best_rows(points))
    notes = [
        f"{KERNELS[fused]} {CLOCKS[kind]}",
        f"Spread: interquartile range over median of the repeats; NOISY or named as noisy: above {NOISY:.0%}.",
        f"Measured on {device_name(device)}: milliseconds change from run to run.",
    ]
    if target in COUNTED:
        notes.insert(0, COUNTED[target])
    notes += left_out(points)
    return PitEvaluation(
        request=request,
        title=PIT.titles[target],
        data=tables,
        settings={"size": size, "dtype": dtype, "fused": fused},
        notes=tuple(notes),
        provenance=Provenance(
            request.study, request.resolved(device=device).inputs(), seed=0, versions=versions("numpy", "torch")
        ),
    )


def _table(rows: list[dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows])
