"""Whole transformer layers, step by step of a training schedule, beside what kernels of a profile say of them.

    simcore calibrate --suite slapo -o slapo.json
    python benchmarks/slapo_layers.py slapo.json [-o layers.json] [--device cpu|cuda] [--rounds N] [--shapes BxSxH,...]

Four shapes, or those given, and five steps each: eager, attention in one kernel, one product for Q, K and V, fused
kernels (Inductor), and a recomputed layer. Layers run forward and back. No fit ever sees one. On a CPU it is the CPU
time of one thread.
All layers run in rounds one after another, as other load comes in bursts; the lower quartile of the rounds' medians
counts. Prints each layer with its prediction, the mean of the absolute relative errors and the load of the machine.
Exits with 1 above the goal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from simcore.models.compute.compute_model import profiled
from simcore.models.compute.profile import KernelProfile
from simcore.models.training.architecture import ALL_BIASES, Transformer
from simcore.models.training.lowering import lower
from simcore.models.training.operators import OperatorList
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout
from simcore.models.training.reuse import placed
from simcore.readers.profiles import read_profile
from simcore.readers.schedules import parse_steps
from torch import nn
from torch.nn import functional

STEPS = ("", "sdpa", "fuse_qkv", "fuse_bias_gelu,fuse_bias_dropout_norm", "checkpoint")
"""Each is added to those before it."""

SHAPES = {
    "cpu": ((1, 128, 256), (1, 256, 256), (2, 128, 384), (1, 512, 256)),
    "cuda": ((8, 512, 1024), (4, 1024, 2048), (8, 1024, 2048), (2, 1024, 4096)),
}
"""Sequences, tokens of one, and hidden size."""

WIDTH = 64
"""Columns of a head."""

GOAL = 0.10
"""Mean of the absolute relative errors."""

CALLS = 7
"""Calls of a layer in a round, of which the median counts."""


def bias_gelu(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return GELU of a product's result with its bias."""
    return functional.gelu(x + bias)


def bias_norm(x: torch.Tensor, bias: torch.Tensor, residual: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    """Return the norm of a sublayer's result with its bias and what went around it."""
    return functional.layer_norm(x + bias + residual, norm.normalized_shape, norm.weight, norm.bias)


class Layer(nn.Module):
    """A transformer layer that ends its sublayers with a norm; `level` says how many steps are applied."""

    def __init__(self, hidden: int, level: int) -> None:
        super().__init__()
        self.heads, self.level = hidden // WIDTH, level
        self.q, self.k, self.v, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.first, self.second = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        fuse: Callable[..., Callable[..., torch.Tensor]] = torch.compile
        self.gelu, self.norm = (fuse(bias_gelu), fuse(bias_norm)) if level >= 3 else (bias_gelu, bias_norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's result; the last step recomputes it in the backward pass."""
        if self.level >= 4:
            return torch.utils.checkpoint.checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's result."""
        if self.level < 3:
            x = self.first(x + self.out(self.attention(x)))
            return self.second(x + self.down(functional.gelu(self.up(x))))
        x = self.norm(functional.linear(self.attention(x), self.out.weight), self.out.bias, x, self.first)
        wide = self.gelu(functional.linear(x, self.up.weight), self.up.bias)
        return self.norm(functional.linear(wide, self.down.weight), self.down.bias, x, self.second)

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        """Return what attention gathers, before its output product."""
        b, s, h = x.shape
        made = self.qkv(x).chunk(3, -1) if self.level >= 2 else [each(x) for each in (self.q, self.k, self.v)]
        q, k, v = (each.view(b, s, self.heads, -1).transpose(1, 2) for each in made)
        if self.level >= 1:
            core = functional.scaled_dot_product_attention(q, k, v)
        else:
            core = torch.softmax((q / WIDTH**0.5) @ k.transpose(2, 3), -1) @ v
        return core.transpose(1, 2).reshape(b, s, h)


def predicted(profile: KernelProfile, shape: tuple[int, int, int], level: int) -> float:
    """Return what the kernels of a layer take, forward and back [s]."""
    sequences, tokens, hidden = shape
    model = Transformer("layer", hidden=hidden, blocks=1, heads=hidden // WIDTH, biases=ALL_BIASES, causal=False)
    steps = parse_steps(",".join(filter(None, STEPS[: level + 1]))).value
    form = NUMBER_FORMATS["fp32"]
    layout = steps.layout(Layout(micro_batch=sequences, fused_attention=False, number_format=form), model)
    listed = steps.operators(model, tokens, layout)
    blocks = OperatorList(tuple(section for section in listed.sections if section.path))
    compute = profiled(profile, form.element)
    workload, _ = lower(placed(blocks, form.element), compute, 1, 1, launch=compute.launch or 0.0)
    again = any(section.checkpointed for section in blocks.sections)
    return sum(
        (1 + again) * layer.forward.compute + layer.input_gradient.compute + layer.weight_gradient.compute
        for layer in workload.layers
    )


def measured(layer: Layer, x: torch.Tensor) -> float:
    """Return the median of some calls, forward and back [s]."""
    times = []
    for _ in range(CALLS):
        layer.zero_grad(set_to_none=True)
        x.grad = None
        if x.is_cuda:
            torch.cuda.synchronize()
        clock = time.perf_counter if x.is_cuda else time.process_time
        started = clock()
        layer(x).sum().backward()
        if x.is_cuda:
            torch.cuda.synchronize()
        times.append(clock() - started)
    return statistics.median(times)


def parsed(text: str) -> tuple[int, int, int]:
    """Return the sizes of a text such as ``1x384x256``."""
    sequences, tokens, hidden = map(int, text.split("x"))
    return sequences, tokens, hidden


def main() -> None:
    """Measure all layers, and print them beside their predictions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("-o", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shapes", help="sequences x tokens x hidden size, such as 1x384x256,2x256x256")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    profile, load = read_profile(given.profile).value, os.getloadavg()[0]
    layers = []
    usual = SHAPES[given.device.partition(":")[0]]
    for shape in map(parsed, given.shapes.split(",")) if given.shapes else usual:
        for level in range(len(STEPS)):
            layer = Layer(shape[2], level).to(given.device)
            layers.append((shape, level, layer, torch.randn(shape, device=given.device, requires_grad=True)))
    for *_, layer, x in layers:  # fused kernels are compiled, and memory is taken from the system
        measured(layer, x)
    rounds = [[measured(layer, x) for *_, layer, x in layers] for _ in range(given.rounds)]
    rows = []
    for at, (shape, level, _, _) in enumerate(layers):
        times = sorted(each[at] for each in rounds)
        seconds, spread = times[len(times) // 4], (times[3 * len(times) // 4] - times[len(times) // 4]) / times[0]
        said = predicted(profile, shape, level)
        rows.append({"shape": shape, "step": STEPS[level] or "eager", "measured_s": seconds, "spread": spread,
                     "predicted_s": said, "error": said / seconds - 1})  # fmt: skip
        print(f"{shape!s:15s} {STEPS[level] or 'eager':40s} {1e3 * seconds:8.3f} ms {1e3 * said:8.3f} ms "
              f"{said / seconds - 1:+7.1%}  spread {spread:.0%}")  # fmt: skip
    mape = statistics.mean(abs(row["error"]) for row in rows)
    after = os.getloadavg()[0]
    print(f"MAPE {mape:.1%} of {len(rows)} layers, goal {GOAL:.0%}; load {load:.1f} before, {after:.1f} after")
    if given.o is not None:
        found = {"mape": mape, "goal": GOAL, "rounds": given.rounds, "load": [load, after], "torch": torch.__version__,
                 "profile": profile.name, "layers": rows}  # fmt: skip
        given.o.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(mape > GOAL)


if __name__ == "__main__":
    main()
