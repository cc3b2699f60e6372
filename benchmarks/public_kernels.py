"""Public measurements of kernels on six GPUs: how far predictions are off on shapes that no fit saw.

Run it with ``python benchmarks/public_kernels.py [DEVICE...]``. The table is read from ``../shared``; without it
nothing is measured. A fifth of the shapes, drawn by a hash of the shape, is held out. The column `formula` is the cost
formula alone, fitted to 400 rows; `corrected` adds what trees learn of all rows that are not held out.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from simcore.calibrate.profile.fit import residuals
from simcore.calibrate.profile.published import FITTED, fit_seen, is_held_out, thinned
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Errors
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_measurements

from tables import GPUS, KERNELS, table

CALLS = 200


def main() -> None:
    path = table(KERNELS)
    if path is None:
        return
    print(f"{'device':15s} {'op':8s} {'held out':>8s} {'formula':>8s} {'corrected':>9s} {'P90':>7s} {'bias':>7s}")
    for name in sys.argv[1:] or GPUS:
        device = read_device(name).value
        groups: dict[tuple[str, str], list[Measurement]] = {}
        for one in read_measurements(path, device).value:
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
