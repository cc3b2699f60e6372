"""A device and models that layouts are evaluated on, so small that a chunk simulation of them takes no time."""

from __future__ import annotations

from dataclasses import replace

from simcore.models.compute.device import Device
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.architecture import ALL_BIASES, Experts, Transformer
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.readers.profiles import sheet_fits

PEAKS = {"fp32": 20e12, "bf16": 100e12}


def gpu(bandwidth: float = 2e12, memory: float = 80e9, processors: int = 100) -> KernelProfile:
    """Return a device whose kernels take what a data sheet says."""
    sources = dict.fromkeys(("processors", "memory", "bandwidth", "cache", "clock", "peaks"), "made up")
    device = Device("toy", "cuda", processors, memory, bandwidth, 40e6, peaks=PEAKS, sources=sources)
    # tiled products alone: those of vectors would be read at the memory's bandwidth
    fits = [replace(fit, parameters={**fit.parameters, **({"vector": 1.0} if fit.kernel == "gemm" else {})})
            for fit in sheet_fits(device)]  # fmt: skip
    return KernelProfile("toy", device, origin="published", fits=tuple(fits))


GPU = gpu()
PRODUCTS = gpu(bandwidth=1e30, processors=1)
"""A device on which nothing but products takes time."""

DENSE = Transformer("dense", hidden=1024, blocks=4, heads=8, vocabulary=2000, biases=ALL_BIASES, dropout=0.1)
BARE = Transformer("bare", hidden=1024, blocks=8, heads=8)
MIXED = Transformer("mixed", hidden=512, blocks=4, heads=8, vocabulary=2000, experts=Experts(8, 2, 1024))


def evaluator(model=DENSE, sequence=1024, sizes=(), bandwidths=(), profile=GPU, block=Block.SWITCH, latency=0.0):
    """Return the evaluator of a model on a network of as many dimensions as there are sizes."""
    topology = Topology("toy", tuple(Dimension(block, size, latency=latency) for size in sizes or (1,)))
    return Evaluator(model, sequence, Machine(profile, topology, tuple(bandwidths) or (1e9,)))
