"""What data sheets say of products, held against products that were measured: four ways to read a sheet.

    python benchmarks/sheet_products.py

Products on tensor cores are those of `tensor_products.csv` beside this file, which names its sources, and those that
the fit of the profile v100-32gb says of its samples. Products in fp32 are read from ``../shared``, where it is there.

Each way has two numbers of its own for each device: the share of the peak that is reached, and what starts a call. They
are fitted to the very rows. So the errors say which form follows the sizes, not how well a prediction does.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.seconds import gemm_seconds
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_measurements
from simcore.readers.profiles import UNBOUNDED, read_gpu, sheet_fits

from tables import GPUS, KERNELS, table

TABLE = Path(__file__).with_name("tensor_products.csv")

LEAST = 200e-6
"""Products that take less at their peak are left out of those in fp32: what starts them matters more [s]."""

MOST = 400
"""Products in fp32 of a device that are looked at, evenly over the table."""

LOADS = {"a100-80gb": 28.0, "v100-32gb": 28.0}
"""Bytes that a multiprocessor loads in a clock [B], with which the A100's table is met best; nobody publishes them."""

LOADED = 80.0
"""The same of other devices, with which the H100's table is met best [B]."""

PROLOGUE = 256.0
"""Bytes of a row that a tile loads before it begins, with which both tables are met best [B]."""


class Product(NamedTuple):
    """A measured product: what it is, and how long it took [s]."""

    device: str
    dtype: str
    shape: Mapping[str, float]
    seconds: float


Way = Callable[[Product, Device, Mapping[str, float]], float]
"""Seconds of a product on a device, from what the sheet has."""


def after(one: Product, device: Device, sheet: Mapping[str, float]) -> float:
    """Return what the sheet's fit says: operands are read after the products [s]."""
    return gemm_seconds(one.shape, sheet, one.dtype, device)


def beside(one: Product, device: Device, sheet: Mapping[str, float]) -> float:
    """Return the same where operands are read beside the products [s]."""
    no_vector = {**sheet, "vector": 1.0}
    tiles = gemm_seconds(one.shape, {**no_vector, "stream": UNBOUNDED}, one.dtype, device)
    return max(tiles, gemm_seconds(one.shape, no_vector, one.dtype, device) - tiles)


def loading(way: Way) -> Way:
    """Return a way whose tiles are loaded on the chip, and begin after a prologue."""

    def seconds(one: Product, device: Device, sheet: Mapping[str, float]) -> float:
        onchip = LOADS.get(device.name, LOADED) * device.processors * device.clock
        element = 4 if one.dtype == "fp32" else 2
        return way(one, device, {**sheet, "onchip": onchip, "ramp": PROLOGUE / element})

    return seconds


WAYS: Mapping[str, Way] = {
    "operands after, any tile as fast": after,
    "operands after, tiles loaded": loading(after),
    "operands beside, any tile as fast": beside,
    "operands beside, tiles loaded": loading(beside),
}


def main() -> None:
    """Print how far off each way is."""
    rows = [*on_tensor_cores(), *in_fp32()]
    for name, dtype in dict.fromkeys((one.device, one.dtype) for one in rows):
        device = read_device(name).value
        sheet = next(fit.parameters for fit in sheet_fits(device) if (fit.kernel, fit.dtype) == ("gemm", dtype))
        own = [one for one in rows if (one.device, one.dtype) == (name, dtype)]
        measured = np.array([one.seconds for one in own])
        for way, seconds in WAYS.items():
            off, share, start = closest(np.array([seconds(one, device, sheet) for one in own]), measured)
            errors = f"MAPE {off.mean():6.1%}  median {np.median(off):6.1%}  at most {off.max():6.1%}"
            print(f"{name:14} {dtype} {len(own):4}  {way:33} {errors}  {share:4.0%} of the peak, {start * 1e6:4.1f} us")


def on_tensor_cores() -> Iterator[Product]:
    """Yield the products of the table, and those of the V100's samples."""
    with TABLE.open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            shape = {size: float(row[size]) for size in ("batch", "m", "n", "k")}
            yield Product(row["device"], row["dtype"], shape, float(row["time_us"]) / 1e6)
    profile = read_gpu("v100-32gb").value
    fit = profile.fit("gemm", "fp16", "warm")
    assert fit is not None
    for sample in profile.samples:
        if (sample.kernel, sample.dtype) == ("gemm", "fp16"):
            seconds = seconds_of(fit, sample.shape, profile.device)
            yield Product("v100-32gb", "fp16", sample.shape, seconds)


def in_fp32() -> Iterator[Product]:
    """Yield products in fp32."""
    path = table(KERNELS)
    for name in GPUS if path else ():
        assert path is not None
        device = read_device(name).value
        own = [one.sample for one in read_measurements(path, device).value if one.sample.kernel == "gemm"]
        long = [one for one in own if work(one.shape) >= LEAST * device.peak("fp32")]
        for one in long[:: max(len(long) // MOST, 1)]:
            yield Product(name, "fp32", one.shape, one.seconds)


def work(shape: Mapping[str, float]) -> float:
    """Return the work of a product [FLOP]."""
    return 2 * shape["m"] * shape["n"] * shape["k"] * shape.get("batch", 1)


def closest(seconds: NDArray[np.float64], measured: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """Return errors, and the share of the speed and the start of a call [s] with which logarithms are closest."""
    shares, starts = np.meshgrid(np.arange(0.4, 1.4, 0.01), np.arange(0.0, 100e-6, 1e-6), indexing="ij")
    predicted = seconds / shares[..., None] + starts[..., None]
    best = np.unravel_index(np.abs(np.log(predicted / measured)).mean(axis=-1).argmin(), shares.shape)
    return np.abs(predicted[best] / measured - 1), float(shares[best]), float(starts[best])


if __name__ == "__main__":
    main()
