"""Operators captured from torch modules: work, parameters and saved activations are torch's own, for any batch."""

from __future__ import annotations

import json
import re
import textwrap

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.errors import InputError  # noqa: E402 - what follows needs torch
from simcore.models.training.architecture import Batch  # noqa: E402
from simcore.models.training.captured import captured_operators  # noqa: E402
from simcore.models.training.traffic import all_calls, forward_calls, totals  # noqa: E402
from simcore.plugins import load  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.real.capture import capture, parse_example  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from tests.cli.commands import printed, refused  # noqa: E402

MODULES = """
    import torch
    from torch import nn
    from torch.nn import functional

    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(50, 16)
            self.layers = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True) for _ in range(3))
            self.head = nn.Linear(16, 50)

        def forward(self, tokens):
            x = self.table(tokens)
            for layer in self.layers:
                x = layer(x)
            return self.head(x)

    class Eager(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(16, 48)
            self.scale = nn.Parameter(torch.ones(16))
            self.unused = nn.Linear(4, 4)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, -1)
            scores = torch.softmax(torch.einsum("bqd,bkd->bqk", q, k) / 4, -1)
            return functional.gelu(scores @ v) * self.scale + x

    class Images(nn.Sequential):
        def __init__(self):
            super().__init__(
                nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(8, 16, (1, 3), padding=(0, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 16, 10),
            )

    class Fourier(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):
            return torch.fft.fft(self.linear(x)).real

    class Pairs(nn.Module):
        def forward(self, x):
            return x @ x.T

    def with_inputs():
        return Eager(), torch.zeros(4, 8, 16)

    def number():
        return 3
"""
EXAMPLES = {"Blocks": "4x8:int64", "Eager": "4x8x16", "Images": "4x3x16x16"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("modules") / "mine.py"
    path.write_text(textwrap.dedent(MODULES))
    return path


@pytest.fixture(scope="module")
def captured(path):
    return {name: capture(f"{path}:{name}", example) for name, example in EXAMPLES.items()}


def of(path, name, device="meta"):
    with torch.device(device):
        return load(f"{path}:{name}", "", {}, "module")()


def example(name, batch, device="meta"):
    (given,) = parse_example(EXAMPLES[name])
    dtype = getattr(torch, given.dtype)
    return torch.zeros((batch, *given.shape[1:]), dtype=dtype, device=device)


def listed(one, batch=4):
    return captured_operators(one.model, Batch(1, batch, one.element))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("batch", [4, 6])
def test_work_is_what_torch_counts(path, captured, name, batch):
    operators = listed(captured[name], batch)
    for backward, calls in ((False, forward_calls), (True, all_calls)):
        with FlopCounterMode(display=False) as counter:
            out = of(path, name)(example(name, batch))
            if backward:
                out.sum().backward()
        again = 0.0
        if backward:  # attention in one kernel multiplies five times going back; on meta tensors torch counts four
            again = sum(0.5 * one.work for one in operators if one.kernel == "attention")
        assert totals(calls(operators), 4)[0] - again == counter.get_total_flops()


@pytest.mark.parametrize("name", EXAMPLES)
def test_parameters_are_those_of_the_module(path, captured, name):
    own = sum(one.numel() for one in of(path, name).parameters())
    assert listed(captured[name]).parameters / 4 == own


@pytest.mark.parametrize("name", ["Eager", "Images"])
def test_what_is_saved_is_what_autograd_saves_but_for_statistics(path, captured, name):
    module, kept = of(path, name, "cpu"), {}
    owned = {one.untyped_storage().data_ptr() for one in (*module.parameters(), *module.buffers())}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(example(name, 4, "cpu"))
    bytes_ = sum(size for at, size in kept.items() if at not in owned)
    assert out is not None
    # batch norm also keeps a mean and a spread of each channel
    assert bytes_ == pytest.approx(listed(captured[name]).saved, abs=2 * 4 * 8)


def test_a_function_may_give_its_inputs(path, captured):
    assert capture(f"{path}:with_inputs", None).model.sections == captured["Eager"].model.sections


def test_equal_blocks_are_held_once(captured):
    assert [(one.path, one.count) for one in captured["Blocks"].model.sections] == [("", 1), ("layers", 3), ("", 1)]
    assert captured["Eager"].unused == ("unused.weight", "unused.bias")


def test_what_is_not_understood_is_refused_by_name_or_counted_as_its_bytes(path):
    with pytest.raises(InputError, match=r"not understood: aten\.fft_fft.*") as caught:
        capture(f"{path}:Fourier", "4x8")
    assert "keep_going" in str(caught.value)
    one = capture(f"{path}:Fourier", "4x8", keep_going=True)
    assert dict(one.unknown) == {"fft_fft": 1}
    assert any("fft" in each.path and each.size("bytes") > 0 for each in listed(one))


def test_a_file_is_what_other_commands_take(path, tmp_path):
    layers = str(tmp_path / "layers.yaml")
    given = ("model", f"{path}:Blocks", "--example", "4x8:int64", "--json")
    made = json.loads(printed(*given, "-o", layers))
    again = json.loads(printed("model", layers, "--json"))
    same = ("parameters", "flop_per_sample_training", "bytes_training", "batch", "parts")
    assert {name: again[name] for name in same} == {name: made[name] for name in same}
    on = ("--gpus", "8", "--device", "a100-80gb", "--json")
    rows = json.loads(printed("schedule", layers, *on, "--steps", "layers.1-2: checkpoint"))["steps"]
    assert rows[1]["parts"]["recompute"] > 0
    assert json.loads(printed("train", layers, *on))["iteration_time"] > 0
    assert json.loads(printed("memory", layers, *on))["worst"]["allocated"] > 0
    assert "layers" in printed("rates", "--models", layers, "--devices", "a100-80gb", "--batch", "8")


def test_a_file_that_is_wrong_is_refused_by_its_field(path, tmp_path):
    layers = tmp_path / "layers.yaml"
    printed("model", f"{path}:Eager", "--example", "4x8x16", "-o", str(layers))
    text = layers.read_text()
    for old, new, said in (("output: .*", "output: 512 c", "a sum of terms"), ("kernel: ", "kernl: ", "kernl")):
        layers.write_text(re.sub(old, new, text, count=1))
        with pytest.raises(InputError, match=said):
            read_model(layers)


@pytest.mark.parametrize(("name", "more", "said"), [
    ("Pairs", ("--example", "4x8"), "in proportion"), ("Blocks", (), "--example: found nothing"),
    ("Blocks", ("--example", "4y8"), "shapes such as"),
    ("Blocks", ("--example", "4x8:odd9"), "number format of torch"),
    ("Blocks", ("--example", "4x8"), "torch.export refuses"), ("number", ("--example", "4x8"), "which gives int"),
    ("Block", ("--example", "4x8"), "Did you mean 'Blocks'?"),
])  # fmt: skip
def test_what_cannot_be_captured_is_refused(capsys, path, name, more, said):
    assert said in refused(capsys, "model", f"{path}:{name}", *more)


def test_a_model_of_the_zoo_needs_no_example(capsys):
    assert "Leave --example out" in refused(capsys, "model", "bert-base", "--example", "4x8")
    assert "Leave it out" in refused(capsys, "model", "bert-base", "-o", "layers.yaml")


def test_the_wide_resnet_of_slapo_is_the_torch_module():
    from simcore.models.training.listing import operators_of
    from simcore.real.convolutional import WideResNet

    with torch.device("meta"):
        module, given = WideResNet(), torch.empty(2, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        module(given).sum().backward()
    model = read_model("wideresnet-2.4b").value
    operators = operators_of(model.architecture, model.run(batch=2))
    assert operators.parameters / 4 == sum(one.numel() for one in module.parameters())
    assert totals(all_calls(operators), 4)[0] == counter.get_total_flops()
