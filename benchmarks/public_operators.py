"""Public timings of operators on a V100: how far predictions are off on combinations that no fit saw.

Run it with ``python benchmarks/public_operators.py [SALT...]``. The table is read from ``../shared``; without it
nothing is measured. A fifth of the combinations of model, size, micro-batch and tensor parallelism, drawn by a hash of
their names, is held out, and kernels and harness are fitted to the others; a salt draws another fifth. ``--harness``
prints what host and links take, fitted to all rows, as ``simcore/zoo/operators/aceso.yaml`` has them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from simcore.calibrate.profile.operators import Known, distinct, is_held_out, known_from
from simcore.models.compute.operator_time import Harness, OperatorTime, PassName
from simcore.models.compute.profile import Errors
from simcore.readers.aceso_sizes import FIRST
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_table
from simcore.readers.operator_table import OperatorTimes
from simcore.studies.profile.operators import layer_misses

from tables import OPERATORS, table

DEVICE = "v100-32gb"


def main() -> None:
    path = table(OPERATORS)
    if path is None:
        return
    device = read_device(DEVICE).value
    times = read_table(path, device).value
    assert isinstance(times, OperatorTimes)
    rows = [one for one in times.operators if one.op != FIRST]
    if sys.argv[1:] == ["--harness"]:
        print(harness_text(known_from(distinct(rows), device).harness))
        return
    for salt in sys.argv[1:] or [""]:
        started = time.process_time()
        known = known_from(distinct(one for one in rows if not is_held_out(one, salt)), device)
        print(f"salt '{salt}': fitted in {time.process_time() - started:.0f} s")
        report(known, [one for one in rows if is_held_out(one, salt)])


def report(known: Known, unseen: Sequence[OperatorTime]) -> None:
    """Print errors of held-out rows by kind and pass, by degree of tensor parallelism, and of sums over layers."""
    print(f"{'format':6s} {'operators':34s} {'held out':>8s} {'MAPE':>7s} {'P90':>7s} {'bias':>7s}")
    for dtype in dict.fromkeys(one.dtype for one in unseen):
        rows = [one for one in unseen if one.dtype == dtype]
        for kind, run in dict.fromkeys((one.kind, one.run) for one in rows):
            line(dtype, f"{kind} {run}", [known.miss(one) for one in rows if (one.kind, one.run) == (kind, run)])
        for tp in sorted({one.ranks for one in rows}):
            line(dtype, f"all, TP {tp}", [known.miss(one) for one in rows if one.ranks == tp])
        line(dtype, "all", [known.miss(one) for one in rows])
        line(dtype, "all, copies once", [known.miss(one) for one in distinct(rows)])
        predicted = [(one, known.harness.seconds(one, known.kernels(one))) for one in rows]
        line(dtype, "sums over a layer", layer_misses(predicted))


def line(dtype: str, name: str, misses: Sequence[float]) -> None:
    errors = Errors.of(misses)
    if errors is not None:
        known = f"{errors.mape:7.1%} {errors.p90:7.1%} {errors.bias:+7.1%}"
        print(f"{dtype:6s} {name:34s} {errors.samples:8d} {known}", flush=True)


def harness_text(harness: Harness) -> str:
    """Return the fields ``host`` and ``links`` of a file of the zoo."""
    lines = ["host:"]
    for kind in sorted({kind for kind, _ in harness.host}):
        forward, backward = (1e6 * harness.host.get((kind, run), 0.0) for run in PassName)
        lines.append(f'  - {{kind: "{kind}", forward: {forward:.1f} us, backward: {backward:.1f} us}}')
    lines.append("links:")
    for (model, gpus), link in sorted(harness.links.items()):
        about = f"start: {1e6 * link.start:.1f} us, bandwidth: {1e-9 * link.bandwidth:.4g} GB/s"
        lines.append(f"  - {{model: {model}, gpus: {gpus}, {about}}}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
