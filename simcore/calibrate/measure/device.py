"""The device that is measured: whether it is there, what it says of itself, and what its numbers depend on."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simcore.errors import InputError, MissingExtraError, field
from simcore.models.compute.device import Device

PATIENCE = 30.0
"""Seconds that nvidia-smi may take [s]."""


def require_torch() -> Any:
    """Return torch, or say how to install it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import torch
    except ImportError:
        text = "measuring needs torch, which is not installed: in simcore's checkout pip install -e '.[calibrate]'"
        raise MissingExtraError(text) from None
    return torch


def has_triton() -> bool:
    """Say whether the Triton kernels can be imported."""
    from importlib.util import find_spec

    return find_spec("triton") is not None


def resolve_device(name: str) -> Any:
    """Return the torch device of ``cpu``, ``cuda`` or ``cuda:1``.

    Raises
    ------
    InputError
        If there is no such device.
    """
    torch = require_torch()
    kind, _, index = name.partition(":")
    if kind not in {"cpu", "cuda"} or (index and not (kind == "cuda" and index.isdecimal())):
        raise InputError(field("device"), f"'{name}'", "cpu, cuda or cuda:N", "Leave it out to use the CPU.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            remedy = f"Install a driver and a CUDA build of torch, or use {field('device')} cpu."
            raise InputError(
                field("device"), f"'{name}', but torch sees no CUDA device", "a device that is there", remedy
            )
        if int(index or 0) >= count:
            raise InputError(field("device"), f"'{name}'", f"cuda:0 to cuda:{count - 1}", f"There are {count}.")
    return torch.device(name)


def current(device: str) -> AbstractContextManager[Any]:
    """Return a context in which ``cuda`` means this device: inputs, kernels and events are all made on it.

    Raises
    ------
    InputError
        If there is no such device.
    """
    target = resolve_device(device)
    return nullcontext() if target.type == "cpu" else require_torch().cuda.device(target)


def fingerprint(device: str) -> dict[str, str]:
    """Return what the numbers depend on: the device's name, driver, clocks seen, versions, load and date."""
    torch = require_torch()
    facts = {
        "device": device_name(device),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda or ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "",
    }
    if resolve_device(device).type == "cuda":
        return facts | _driver(device)
    return facts | {"threads": "1", "clock": "thread CPU time"}


def _driver(device: str) -> dict[str, str]:
    """Return driver and clocks, read while the device computes: those of an idle GPU say nothing of its kernels."""
    torch = require_torch()
    with current(device):
        p, square = torch.cuda.get_device_properties(device), torch.randn(2048, 2048, device="cuda")

        def work() -> None:
            square @ square  # the clocks of a GPU that computes are wanted, not the product
            torch.cuda.synchronize()

        # the numbers of nvidia-smi and torch differ where CUDA_VISIBLE_DEVICES is set
        return nvidia_smi(f"GPU-{p.uuid}" if hasattr(p, "uuid") else device.partition(":")[2] or "0", work)


def nvidia_smi(which: str, work: Callable[[], None]) -> dict[str, str]:
    """Return the driver and the clocks that nvidia-smi shows while something runs; they are not ours to set.

    Parameters
    ----------
    which : str
        A GPU: its number or its UUID.
    work : callable
        Called again and again until nvidia-smi is done.
    """
    fields = ("driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "power.limit")
    query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader", f"--id={which}"]
    end = time.monotonic() + PATIENCE
    try:
        with subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            while process.poll() is None and time.monotonic() < end:
                work()
            process.kill()
            text, _ = process.communicate()
    except OSError:
        return {"driver": "unknown"}
    if process.returncode != 0:
        return {"driver": "unknown"}
    return dict(zip(("driver", *fields[1:]), map(str.strip, text.split(",")), strict=False))


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    if resolve_device(device).type == "cuda":
        return str(require_torch().cuda.get_device_name(device))
    lines = _text("/proc/cpuinfo").splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return f"{fields['model name']} family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"


def describe(name: str, device: str) -> Device:
    """Return the device at hand with what it says of itself; peaks and bandwidth are left to the fits."""
    source = "the device itself"
    if resolve_device(device).type == "cuda":
        p = require_torch().cuda.get_device_properties(device)
        cache = float(getattr(p, "L2_cache_size", 0))
        sources = dict.fromkeys(("processors", "memory", "cache"), source)
        return Device(name, "cuda", p.multi_processor_count, float(p.total_memory), 0.0, cache, sources=sources)
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else 1.0
    # the core's own cache: a last level that a whole host shares holds what other cores leave of it
    size = _text("/sys/devices/system/cpu/cpu0/cache/index2/size").strip()
    cache = float(size[:-1]) * 1024 if size.endswith("K") else 0.0
    sources = {"memory": source, "cache": source, "processors": "kernels run on one thread"}
    return Device(name, "cpu", 1, memory, 0.0, cache, sources=sources)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
