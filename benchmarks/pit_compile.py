"""Compile PIT's Triton kernels for GPUs that need not be here: seconds, shared memory, and what multiplies.

    PYTHONPATH=. python benchmarks/pit_compile.py [CAPABILITY ...]

CAPABILITY is 70 (V100), 75 (T4), 80 (A100) or 90 (H100), the default. Every tile that a calibration measures is
compiled anew in each number format. The exit status is 1 if one does not compile, or needs more shared memory than the
GPU has. Times depend on the machine's load, which is printed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time

os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp()  # what was compiled before would take no time
os.environ.pop("TRITON_INTERPRET", None)

import triton
from simcore.calibrate.kernels import pit_triton
from simcore.calibrate.suites.pit import KERNELS
from simcore.models.compute.sparse.tiles import SparseKernel
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SHARED = {70: 96, 75: 64, 80: 163, 90: 227}
"""Shared memory that one block may have [KiB], by compute capability (CUDA programming guide)."""

FORMATS = (("fp32", "ieee"), ("fp16", "ieee"), ("fp32", "tf32"))
ONES = {"k": ("am", "bn"), "m": ("ak", "bn"), "block": ("ak", "bn"), "n": ("ak", "bk")}
"""Strides that are one: the k-axis takes A column by column, the n-axis B so, and transposes both."""

INDICES = ((1, 1), (32, 1), (64, 1), (128, 1), (16, 16), (32, 32), (32, 64), (32, 256))
"""Blocks and widths of the micro-tiles whose index is compiled."""


def compiled(kernel: SparseKernel, dtype: str, precision: str, capability: int) -> triton.compiler.CompiledKernel:
    """Compile one kernel as its launch would: sizes are multiples of 16, one stride of each matrix is one."""
    by_k = kernel.axis in {"k", "block"}
    function = pit_triton._k_kernel if by_k else pit_triton._m_kernel
    tile = (kernel.tile_m, kernel.tile_k, kernel.tile_n)
    bm, bk, bn = tile[::-1] if kernel.axis == "n" else tile
    fixed = {"BM": bm, "BN": bn, "BK": bk, "PRECISION": precision, "WIDEN": False, "cn": 1}
    fixed |= {"WHOLE": kernel.axis == "block"} if by_k else {"STEP": min(bk, 32)}
    fixed |= dict.fromkeys(ONES[kernel.axis], 1)
    pointers = {"a": dtype, "b": dtype, "c": dtype if by_k else "fp32", "positions": "i32", "counts": "i32"}
    types = {name: f"*{pointers[name]}" if name in pointers else "i32" for name in function.arg_names}
    types |= dict.fromkeys(fixed, "constexpr")
    aligned = {
        (place,): [["tt.divisibility", 16]] for place, name in enumerate(function.arg_names) if name not in fixed
    }
    warps = pit_triton.warps((bm, bk, bn))
    options = {"num_warps": warps, "num_stages": pit_triton.STAGES, **pit_triton.FUSION}
    return triton.compile(ASTSource(function, types, fixed, aligned), GPUTarget("cuda", capability, 32), options)


def compiled_index(block: int, width: int, capability: int) -> triton.compiler.CompiledKernel:
    """Compile the index builder as its launch would: of a mask that is stored row by row."""
    function = pit_triton._index_kernel
    count = max(pit_triton.SPAN // width, 1)
    fixed = {"BLOCK": block, "WIDTH": width, "COUNT": count, "stride_along": 1}
    pointers = {"mask": "u8", "positions": "i32", "counts": "i32"}
    types = {name: f"*{pointers[name]}" if name in pointers else "i32" for name in function.arg_names}
    types |= dict.fromkeys(fixed, "constexpr")
    aligned = {
        (place,): [["tt.divisibility", 16]] for place, name in enumerate(function.arg_names) if name not in fixed
    }
    source = ASTSource(function, types, fixed, aligned)
    return triton.compile(source, GPUTarget("cuda", capability, 32), dict(pit_triton.FUSION))


def main() -> int:
    failed = False
    print(f"triton {triton.__version__}, load average {os.getloadavg()[0]:.2f}")
    for capability in map(int, sys.argv[1:] or ["90"]):
        total, most = 0.0, 0
        for dtype, precision in FORMATS:
            for kernel in KERNELS["cuda"]:
                started = time.monotonic()
                found = compiled(kernel, dtype, precision, capability)
                seconds = time.monotonic() - started
                units = [name for name in ("wgmma", "mma.sync", "fma.rn") if name in found.asm["ptx"]]
                shared = found.metadata.shared
                total, most = total + seconds, max(most, shared)
                what = f"{capability} {dtype} {precision} {kernel.name}"
                print(f"{what}: {seconds:.2f} s, {shared / 1024:.1f} KiB, {', '.join(units)}", flush=True)
        for block, width in INDICES:
            started = time.monotonic()
            found = compiled_index(block, width, capability)
            loads = sorted(set(re.findall(r"ld\.global[.\w]*", found.asm["ptx"])))
            print(
                f"{capability} index of {block}x{width}: {time.monotonic() - started:.2f} s, {', '.join(loads)}",
                flush=True,
            )
        count = len(FORMATS) * len(KERNELS["cuda"])
        print(f"{capability}: {count} kernels in {total:.1f} s, at most {most / 1024:.1f} KiB of shared memory")
        failed |= most > SHARED[capability] * 1024
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
