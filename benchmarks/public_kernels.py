"""Public measurements of kernels on six GPUs: how far predictions are off on shapes that no fit saw.

Run it with ``python benchmarks/public_kernels.py [DEVICE...]``. The table is read from ``../shared``; without it
nothing is measured. A fifth of the shapes, drawn by a hash of the shape, is held out. The column `formula` is the cost
formula alone, fitted to 400 rows; `corrected` adds what trees learn of all rows that are not held out.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from simcore.calibrate.profile.fit import residuals
from simcore.calibrate.profile.published import FITTED, fit_seen, is_held_out, thinned
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Errors
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_measurements

DEVICES = ("v100-pcie-32gb", "p100-pcie-16gb", "t4", "a100-pcie-40gb", "a100-pcie-80gb", "h100")
TABLE = next(
    (path for parent in Path(__file__).resolve().parents
     if (path := parent / "shared" / "data" / "measured" / "kernels_fp32.csv.gz").is_file()),
    None,
)  # fmt: skip
CALLS = 200


def main() -> None:
    if TABLE is None:
        print("skipped: the public measurements (../shared) are not on this machine")
        return
    print(f"{'device':15s} {'op':8s} {'held out':>8s} {'formula':>8s} {'corrected':>9s} {'P90':>7s} {'bias':>7s}")
    for name in sys.argv[1:] or DEVICES:
        device = read_device(name).value
        groups: dict[tuple[str, str], list[Measurement]] = {}
        for one in read_measurements(TABLE, device).value:
            groups.setdefault((one.sample.kernel, one.sample.dtype), []).append(one)
        for rows in groups.values():
            of_kernel(rows, device)


def of_kernel(rows: list[Measurement], device: Device) -> None:
    """Print a line for each operation of the table that is one kernel, and what a fit and a prediction took."""
    started = time.process_time()
    fit = fit_seen(rows, device)
    fitted = time.process_time() - started
    bare = replace(fit, correction=None)
    for op in dict.fromkeys(one.op for one in rows):
        unseen = [one.sample for one in rows if one.op == op and is_held_out(one.sample)]
        before, after = (Errors.of(residuals(each, unseen, device)) for each in (bare, fit))
        if before is not None and after is not None:
            known = f"{before.mape:8.1%} {after.mape:9.1%} {after.p90:7.1%} {after.bias:+7.1%}"
            print(f"{device.name:15s} {op:8s} {after.samples:8d} {known}")
    calls = thinned([one.sample for one in rows], CALLS)
    started = time.process_time()
    for sample in calls:
        seconds_of(fit, sample.shape, device)
    each = (time.process_time() - started) / len(calls)
    about = f"{len(rows)} rows, parameters from {FITTED}"
    print(f"{'':15s} {fit.kernel:8s} {about}: fit {fitted:.1f} s, a prediction {1e6 * each:.0f} us", flush=True)


if __name__ == "__main__":
    main()
