"""What every process of a run pins before it computes: threads, kernels, and deterministic operators."""

from __future__ import annotations

import os
from datetime import timedelta

from simcore.errors import RunError
from simcore.real.elastic.job import Job

PATIENCE = timedelta(seconds=300)
"""How long a process waits for another before it gives up."""


def settle(job: Job, *, alternative: bool) -> None:
    """Pin one thread and the kernel set of this process, and meet the other processes.

    One thread at every level: with two, gradients of convolutions and of layer norms differ. The other kernel set of a
    CPU is chosen by ``ATEN_CPU_CAPABILITY``, which torch reads at its first kernel, with mkldnn off.

    Raises
    ------
    RunError
        If torch has chosen its kernels already.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    other = alternative or (job.determinism == "D2" and job.device == "cpu")
    if other:
        os.environ["ATEN_CPU_CAPABILITY"] = "default"
    import torch

    torch.set_num_threads(1)
    # D0 knows deterministic kernels too, and takes others where there are none
    torch.use_deterministic_algorithms(True, warn_only=job.determinism == "D0")
    if other:
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # torch's way to set it
        if torch.backends.cpu.get_cpu_capability() != "DEFAULT":
            raise RunError("torch chose its kernels before the other kernel set was asked for")


def meet(job: Job) -> int:
    """Join the process group, and return this process's rank."""
    import torch
    import torch.distributed as dist
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    if job.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, size = next(iter(rendezvous("env://", timeout=PATIENCE)))
    # the agent's store outlives a restart, and processes would find the addresses of those that died
    fresh = PrefixStore(f"restart-{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    backend = "nccl" if job.device == "cuda" else "gloo"
    dist.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=PATIENCE)
    return dist.get_rank()


def other_kernels() -> bool:
    """Say whether this CPU has a kernel set beside torch's plain one: the stand-in for another kind of device."""
    import torch

    return torch.backends.cpu.get_cpu_capability() != "DEFAULT"
