"""The compiler that fuses kernels: Inductor, where it can run."""

from __future__ import annotations

from functools import cache

INDUCTOR, WITHOUT = "inductor", "aot_eager"


@cache
def fuser(device: str) -> str:
    """Return the backend of `torch.compile` that can run here: Inductor, or ``aot_eager`` where it has no compiler.

    Parameters
    ----------
    device : {'cpu', 'cuda'}
        For a CPU Inductor writes C++, for a GPU Triton.
    """
    try:
        if device == "cpu":
            from torch._inductor.cpp_builder import get_cpp_compiler

            get_cpp_compiler()
        else:
            import triton  # noqa: F401 - Inductor writes its language for a GPU
    except Exception:  # each release of torch raises another class
        return WITHOUT
    return INDUCTOR
