"""Profiles of devices that were left out: each of the six public GPUs, derived from the other five.

Run it with ``python benchmarks/derived_profiles.py [DEVICE...]``. The table is read from ``../shared``; without it
nothing is compared. Every row of the device counts, as its derived profile saw none. It takes 10 s a device.
"""

from __future__ import annotations

import sys

from simcore.kernels import derive
from simcore.readers.measurements import read_measurements
from simcore.studies.profile.table import against

from tables import GPUS, KERNELS, table


def main() -> None:
    path = table(KERNELS)
    if path is None:
        return
    print(f"{'left out':15s} {'op':8s} {'rows':>6s} {'outside':>7s}    MAPE     P90    bias expected")
    for name in sys.argv[1:] or GPUS:
        profile = derive(name, sources=[each for each in GPUS if each != name]).profile
        rows = read_measurements(path, profile.device).value
        kernels = {one.op: one.sample.kernel for one in rows}
        for row in against(profile, name, rows, path.name).table:
            fit = profile.fit(kernels[row["kernel"]], row["dtype"])
            expected = "-" if fit is None or fit.errors is None else f"{fit.errors.mape:8.1%}"
            errors = f"{row['mape']:7.1%} {row['p90']:7.1%} {row['bias']:+7.1%}"
            print(f"{name:15s} {row['kernel']:8s} {row['samples']:6d} {row['outside']:7d} {errors} {expected}")


if __name__ == "__main__":
    main()
