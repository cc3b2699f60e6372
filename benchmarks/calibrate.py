"""Time of a quick calibration of the CPU, and of predictions: run with ``python benchmarks/calibrate.py``.

The exit status is 1 if a time is over its budget. Times depend on the machine's load, which is printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from simcore.calibrate.calibration import calibrate  # noqa: E402
from simcore.calibrate.profile.fit import fit_all  # noqa: E402 - the threads are pinned before numpy starts them
from simcore.calibrate.suites.registry import SUITES  # noqa: E402
from simcore.models.training.lowering import lower_on_profile  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.readers.profiles import read_profile  # noqa: E402
from simcore.studies.rates.run import minibatch_seconds  # noqa: E402

QUICK_SECONDS = 180.0
FIT_SECONDS = 5.0
STEP_SECONDS = 0.05


def main() -> int:
    print(f"load average {os.getloadavg()[0]:.2f}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = calibrate("cpu", SUITES, Path(folder) / "cpu.json")
    profile, quick = found.profile, time.monotonic() - started
    print(f"calibrate --quick: {quick:.1f} s, {len(profile.samples)} samples, {found.passes} whole passes")
    started = time.process_time()
    fit_all(profile.samples, profile.device)
    fit = time.process_time() - started
    print(f"all fits: {fit:.2f} CPU s")
    model, stored = read_model("bert-base").value, read_profile("v100-16gb").value
    started = time.process_time()
    minibatch_seconds(lower_on_profile(model.architecture, model.run(batch=4), 1, 1, stored))
    step = time.process_time() - started
    print(f"step time of BERT base from a profile: {step * 1e3:.2f} CPU ms")
    return int(quick > QUICK_SECONDS or found.passes < 1 or fit > FIT_SECONDS or step > STEP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
