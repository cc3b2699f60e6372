"""Devices of the zoo: what their data sheets say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.files import read_yaml
from simcore.models.compute.device import Device
from simcore.readers import zoo
from simcore.readers.quantities import Bandwidth, Bytes, Entry, Frequency, Power, Rate, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import json_or_yaml

FIELDS = ("processors", "memory", "bandwidth", "cache", "clock", "peaks")
"""What a data sheet says of a device."""


class _DeviceFile(Entry):
    fp32: Rate
    tf32: Rate | None = None
    fp16: Rate | None = None
    bf16: Rate | None = None
    fp8: Rate | None = None
    memory: Bytes
    memory_bandwidth: Bandwidth
    multiprocessors: Annotated[Whole, Field(ge=1)]
    l2: Bytes
    link_bandwidth: Bandwidth
    host_bandwidth: Annotated[Bandwidth, Field(gt=0)] | None = None
    boost_clock: Frequency
    power: Annotated[Power, Field(gt=0)] | None = None
    network: str | None = None
    stack: str | None = None


def read_device(name_or_path: str | Path | InputFile, place: str = "device") -> Read[Device]:
    """Read a GPU by its name in the zoo, or from a file in the same form.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name or the path of a YAML file.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> read_device("t4").value.peaks
    {'fp32': 8100000000000.0, 'fp16': 65000000000000.0}
    """
    file, data = _device_file(name_or_path, place)
    peaks = {"fp32": data.fp32, "tf32": data.tf32, "fp16": data.fp16, "bf16": data.bf16, "fp8": data.fp8}
    device = Device(
        name=file.path.stem,
        kind="cuda",
        processors=data.multiprocessors,
        memory=data.memory,
        bandwidth=data.memory_bandwidth,
        cache=data.l2,
        clock=data.boost_clock,
        peaks={dtype: peak for dtype, peak in peaks.items() if peak is not None},
        sources=dict.fromkeys(FIELDS, data.source or str(file.path)),
        power=data.power or 0.0,
    )
    return file.of(device)


def default_network(device: str) -> str | None:
    """Return the network of the zoo that servers with a device mostly have; None where no such server is known.

    Parameters
    ----------
    device : str
        Name of a device of the zoo; a device that is not there has no network.

    Examples
    --------
    >>> default_network("h200"), default_network("t4"), default_network("my-gpu")
    ('dgx-h100', None, None)
    """
    if device.lower() not in zoo.names("devices"):
        return None
    return _device_file(device, "device")[1].network


def default_stack(device: str) -> str | None:
    """Return the stack of the zoo whose iterations were measured on a device; None where none was.

    Parameters
    ----------
    device : str
        Name of a device of the zoo; a device that is not there has no stack.

    Examples
    --------
    >>> default_stack("h100"), default_stack("t4")
    ('nemo-h100', None)
    """
    if device.lower() not in zoo.names("devices"):
        return None
    return _device_file(device, "device")[1].stack


def host_bandwidth(device: str) -> float | None:
    """Return what a device sends to the memory of its host in one direction [B/s]; None where its sheet does not say.

    Parameters
    ----------
    device : str
        Name of a device of the zoo; of a device that is not there nobody says it.

    Examples
    --------
    >>> host_bandwidth("v100-32gb"), host_bandwidth("my-gpu")
    (16000000000.0, None)
    """
    if device.lower() not in zoo.names("devices"):
        return None
    return _device_file(device, "device")[1].host_bandwidth


def _device_file(name_or_path: str | Path | InputFile, place: str) -> tuple[InputFile, _DeviceFile]:
    file = read_entry("devices", name_or_path, place, "device")
    return file, read_yaml(file.path, _DeviceFile, "device", json_or_yaml(file, "device"))
