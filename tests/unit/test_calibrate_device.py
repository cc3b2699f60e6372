"""What a profile says of the device that it was measured on."""

from __future__ import annotations

import pytest
from simcore.calibrate.measure import device

SMI = """#!/bin/sh
echo "$@" > {folder}/asked
count=0  # an end to the loop, should nothing work meanwhile
while [ ! -e {folder}/worked ] && [ $count -lt 300000 ]; do count=$((count + 1)); done
[ -e {folder}/worked ] && echo '550.54, 1980 MHz, 2619 MHz, 1980 MHz, 700.00 W' || echo '550.54, 345 MHz'
exit {status}
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """An nvidia-smi that shows low clocks unless something works while it runs; returns how to give it a status."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def install(status=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(SMI.format(folder=tmp_path, status=status))
        program.chmod(0o755)
        return tmp_path

    return install


def test_clocks_are_read_while_the_gpu_works(smi):
    folder = smi()
    found = device.nvidia_smi("GPU-1234", (folder / "worked").touch)
    assert found == {
        "driver": "550.54", "clocks.sm": "1980 MHz", "clocks.mem": "2619 MHz", "clocks.max.sm": "1980 MHz",
        "power.limit": "700.00 W",
    }  # fmt: skip
    assert "--id=GPU-1234" in (folder / "asked").read_text()


def test_a_driver_that_does_not_answer_is_unknown(smi, monkeypatch):
    folder = smi(status=6)
    assert device.nvidia_smi("0", (folder / "worked").touch) == {"driver": "unknown"}
    (folder / "worked").unlink()
    smi()
    monkeypatch.setattr(device, "PATIENCE", 0.0)
    assert device.nvidia_smi("0", lambda: None) == {"driver": "unknown"}
    monkeypatch.setenv("PATH", str(folder / "nowhere"))
    assert device.nvidia_smi("0", lambda: None) == {"driver": "unknown"}


def test_a_cpu_is_named():
    pytest.importorskip("torch", reason="torch is not installed")
    found = device.fingerprint("cpu")
    assert found["device"] == device.device_name("cpu")
    assert found["threads"] == "1"
    described = device.describe("mine", "cpu")
    assert (described.name, described.kind, described.processors) == ("mine", "cpu", 1)
    assert described.memory > 0
