"""Profiles of devices that were left out: each of the six public GPUs, derived from the other five.

Run it with ``python benchmarks/derived_profiles.py [DEVICE...]``. The table is read from ``../shared``; without it
nothing is compared. Every row of the device counts, as its derived profile saw none. It takes 10 s a device.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simcore.kernels import derive
from simcore.readers.measurements import read_measurements
from simcore.studies.profile.table import against

DEVICES = ("v100-pcie-32gb", "p100-pcie-16gb", "t4", "a100-pcie-40gb", "a100-pcie-80gb", "h100")
TABLE = next(
    (path for parent in Path(__file__).resolve().parents
     if (path := parent / "shared" / "data" / "measured" / "kernels_fp32.csv.gz").is_file()),
    None,
)  # fmt: skip


def main() -> None:
    if TABLE is None:
        print("skipped: the public measurements (../shared) are not on this machine")
        return
    print(f"{'left out':15s} {'op':8s} {'rows':>6s} {'outside':>7s}    MAPE     P90    bias expected")
    for name in sys.argv[1:] or DEVICES:
        profile = derive(name, sources=[each for each in DEVICES if each != name]).profile
        rows = read_measurements(TABLE, profile.device).value
        kernels = {one.op: one.sample.kernel for one in rows}
        for row in against(profile, name, rows, TABLE.name).table:
            fit = profile.fit(kernels[row["kernel"]], row["dtype"])
            expected = "-" if fit is None or fit.errors is None else f"{fit.errors.mape:8.1%}"
            errors = f"{row['mape']:7.1%} {row['p90']:7.1%} {row['bias']:+7.1%}"
            print(f"{name:15s} {row['kernel']:8s} {row['samples']:6d} {row['outside']:7d} {errors} {expected}")


if __name__ == "__main__":
    main()
