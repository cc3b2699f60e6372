"""Torch modules after a training schedule against the same modules before it."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore import verify  # noqa: E402 - what follows needs torch
from simcore.calibrate.measure import compiler  # noqa: E402
from simcore.errors import InputError, RunError  # noqa: E402
from simcore.models.training.listing import operators_of  # noqa: E402
from simcore.models.training.schedule.primitives.registry import PRIMITIVES  # noqa: E402
from simcore.models.training.traffic import all_calls, totals  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.real.convolutional import WideResNet  # noqa: E402
from simcore.real.language import language_model  # noqa: E402
from simcore.real.parallel import fake_ranks  # noqa: E402
from simcore.real.schedule.registry import OF_RANKS, TRANSFORMS  # noqa: E402
from simcore.real.verify import launch  # noqa: E402
from simcore.real.verify.finding import Finding, merged  # noqa: E402
from simcore.real.verify.run import run  # noqa: E402
from simcore.studies.verify.inputs import FAMILIES, inputs_of  # noqa: E402
from simcore.studies.verify.request import VerifyRequest  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

gloo = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch has no gloo")

STEPS = {
    "bert": "sdpa,fuse_qkv,decompose,checkpoint=0.5", "roberta": "sdpa,checkpoint", "gpt": "sdpa,fuse_qkv",
    "opt": "decompose,sdpa,block.1:checkpoint", "llama": "sdpa,fuse_qkv,checkpoint", "t5": "sdpa,checkpoint=0.5",
}  # fmt: skip


def small(model, **options):
    """Verify with two blocks, short sequences and little else."""
    return verify(model, **{"blocks": 2, "sequence": 6, "batch": 4, **options})


@pytest.mark.parametrize("model", STEPS)
def test_steps_change_no_output_and_no_gradient(model):
    result = small(model, steps=STEPS[model], precision=("fp64", "fp32") if model == "bert" else "fp64")
    assert result.equal, result.difference
    names = {one.name for one in result.verified.findings}
    module = language_model(inputs_of(VerifyRequest(model, steps="sdpa", blocks=2)).case.model)
    assert {f"gradient of {path}" for path, _ in module.named_parameters()} <= names
    assert {"output", "gradient of embedding"} <= names
    assert [len(paths) > 0 for _, paths in result.verified.applied] == [True] * len(STEPS[model].split(","))


def test_a_wide_resnet_has_the_operator_lists_parameters_and_work():
    model = read_model("wideresnet-2.4b").value
    listed = operators_of(model.architecture, model.run(batch=2))
    with torch.device("meta"):
        module, images = WideResNet(), torch.empty(2, 3, 224, 224)
    assert listed.parameters / model.element == sum(one.numel() for one in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module(images).sum().backward()
    assert totals(all_calls(listed), model.element)[0] == counter.get_total_flops()


def test_a_wide_resnet_is_the_same_with_blocks_that_run_again():
    result = small("wideresnet", steps="checkpoint")
    assert result.equal, result.difference
    assert dict(result.verified.applied)["checkpoint=1"] == tuple(f"layer{stage}.0" for stage in range(1, 5))


@pytest.mark.parametrize("model", [*(each for each in FAMILIES.values() if "wide" not in each), "gpt-1.3b", "opt-350m"])
def test_parameters_of_a_small_version_are_the_operator_lists(model):
    """By path, too: a step of a schedule names in both the same weights."""
    case = inputs_of(VerifyRequest(model, steps="sdpa")).case
    with torch.device("meta"):
        module = language_model(case.model)
    listed = {}
    for one in operators_of(case.model, _batch(case)):
        listed[_part(one.path)] = listed.get(_part(one.path), 0) + (one.weights + one.vectors) / 4
    counted = {}
    for path, weight in module.named_parameters():
        counted[_part(path)] = counted.get(_part(path), 0) + weight.numel()
    assert {path: count for path, count in listed.items() if count} == counted


def _batch(case):
    from simcore.models.training.architecture import Batch

    return Batch(case.sequence, case.batch, 4)


def _part(path):
    """The module that a weight belongs to: those beside it in the same half of a block together."""
    words = [word for word in path.split(".") if not word.isdigit()]
    ends = {"embedding", "output", "attention", "cross_attention", "feed_forward"}
    at = next((number for number, word in enumerate(words) if word in ends), 0)
    return ".".join(words[: at + 1])


@gloo
@pytest.mark.parametrize(
    ("model", "ranks", "options"),
    [
        ("bert", 3, {"steps": "shard,sync,sdpa,fuse_qkv,checkpoint=0.5"}),
        ("t5", 3, {"steps": "shard,sync,sdpa"}),
        ("gpt", 4, {"steps": "cut=1+1,shard,sync,sdpa"}),
        ("llama", 4, {"steps": "sdpa,checkpoint", "parallel": "zero3"}),
        ("wideresnet", 3, {"schedule": "slapo-wideresnet"}),
    ],
    ids=["tp", "tp of t5", "pp and tp", "zero3", "channels"],
)
def test_ranks_that_share_a_module_compute_the_same(model, ranks, options):
    result = small(model, ranks=ranks, precision="fp64", **options)
    assert result.equal, result.difference
    assert result.verified.missing == ()


@gloo
def test_a_sum_that_is_left_out_is_found_and_named():
    steps = "block.*.attention:shard,block.*.feed_forward:shard,block.*.attention:sync,sdpa"
    result = small("bert", ranks=3, precision="fp64", steps=steps)
    assert not result.equal
    assert result.first.name == "output"
    assert result.first.relative > 0.01
    assert "block.*.attention: sync" in result.breaking


WRONG = """
from simcore.training import Primitive


class Halved(Primitive):
    name, summary, paths = "halved", "scores are half of what they should be", ("block.*.attention",)

    def module(self, module, value):
        module.core.scale /= 2
        return module


class Detached(Primitive):
    name, summary, paths = "detached", "a gradient is lost", ("block.1.feed_forward.norm",)

    def module(self, module, value):
        module.register_forward_hook(lambda module, given, made: made.detach())
        return module


class Gone(Primitive):
    name, summary, paths = "gone", "a rank leaves", ("block.*",)

    def module(self, module, value):
        import os, torch
        if torch.distributed.get_rank() == 1:
            os._exit(0)
        return module


class Waits(Primitive):
    name, summary, paths = "waits", "a rank waits for the others", ("block.*",)

    def module(self, module, value):
        import torch
        if torch.distributed.get_rank() == 1:
            torch.distributed.barrier()
        return module


class Listed(Primitive):
    name, summary = "listed", "changes operator lists alone"
    paths = ("block.*",)
"""


@pytest.fixture
def wrong(tmp_path):
    """A file of primitives that are wrong."""
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    return file


def test_a_wrong_scale_is_found_and_named(wrong):
    result = small("gpt", steps=f"checkpoint,{wrong}:Halved")
    assert not result.equal
    assert (result.first.name, result.first.precision) == ("output", "fp64")
    assert result.breaking == "halved"


def test_a_gradient_that_is_lost_is_found_though_outputs_are_equal(wrong):
    result = small("gpt", steps=f"{wrong}:Detached", precision="fp64")
    assert not result.equal
    assert result.first.name != "output"
    assert "gradient of block.1.feed_forward.norm.weight" in result.verified.missing


@gloo
def test_a_rank_that_leaves_or_waits_ends_the_run(wrong):
    with pytest.raises(RunError, match="rank 1 ended without an answer"):
        small("gpt", steps=f"{wrong}:Gone", ranks=3, batch=6, precision="fp64")
    with pytest.raises(RunError, match=r"gave no answer within 5 s.*collective|rank 1 failed"):
        small("gpt", steps=f"{wrong}:Waits", ranks=3, batch=6, precision="fp64", timeout=5.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": "block.*.atention:sdpa"}, "Did you mean block.*.attention?"),
        ({"steps": "sdpa,sdpa"}, "attention is one kernel already"),
        ({"steps": "checkpoint=1.5"}, "the share of blocks, from 0 to 1"),
        ({"steps": "decompose", "model": "llama"}, "no product here adds a bias"),
        ({"steps": "fuse_bias_gelu", "model": "opt"}, "fuse_bias_activation"),
        ({"steps": "shard,sync"}, "a degree to cut by"),
        ({"steps": "graph"}, "on a CPU"),
        ({"steps": "cut=1+1", "ranks": 3}, "a multiple of 2"),
        ({"steps": "sdpa", "ranks": 3, "batch": 4}, "a multiple of 3"),
        ({"steps": "sdpa", "ranks": 4, "parallel": "tp=3"}, "divides the ranks"),
        ({"steps": "shard,sync", "ranks": 3, "dropout": "seeded"}, "a rank draws for its own heads"),
        ({}, "steps to verify"),
        ({"steps": "sdpa", "ranks": 64, "batch": 64, "device": "cuda"}, "a GPU for each rank"),
        ({"steps": "sdpa", "schedule": "slapo-bert"}, "one of the two"),
        ({"steps": "sdpa", "model": "resnet50"}, "no torch module"),
        ({"steps": "sdpa", "model": "brt"}, "Did you mean"),
        ({"steps": "sdpa", "model": "mixtral-8x7b"}, "experts"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(InputError) as caught:
        small(**{"model": "bert", **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("model", "steps"),
    [
        ("bert", "decompose,fuse_bias_gelu,fuse_bias_dropout_norm"),
        ("llama", "fuse_bias_activation,fuse"),
    ],
)
def test_fused_kernels_compute_the_same(model, steps, monkeypatch):
    """Traced as for Inductor, which takes a C++ compiler ten seconds, and then run as they are."""
    monkeypatch.setattr(compiler, "fuser", lambda device: compiler.WITHOUT)
    result = small(model, steps=steps, precision="fp64", blocks=1)
    assert result.equal, result.difference
    assert "traced with aot_eager, which fuses nothing" in result.warnings[0]


def test_a_primitive_without_a_module_half_is_refused(wrong):
    with pytest.raises(InputError, match="Define its method module"):
        small("gpt", steps=f"{wrong}:Listed")


def test_every_primitive_has_both_halves():
    assert {*TRANSFORMS, *OF_RANKS} == set(PRIMITIVES)


def test_masks_of_dropout_are_the_same_with_the_same_seed():
    result = small("gpt", steps="sdpa,checkpoint", dropout="seeded")
    assert result.equal, result.difference


OWN = """
import torch


def build():
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 4))
    return module, torch.randn(3, 4)


def nothing():
    return 3


class Words(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = torch.nn.Embedding(7, 4)

    def forward(self, numbers):
        return self.rows(numbers)


class Heads(torch.nn.Module):
    def __init__(self, masked):
        super().__init__()
        self.qkv, self.output, self.masked = torch.nn.Linear(12, 36), torch.nn.Linear(12, 12), masked
        self.register_buffer("mask", torch.ones(6, 6).triu(1) * -1e9)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (9, 4)).transpose(1, 2).chunk(3, 1)
        scores = torch.matmul(q, k.transpose(-2, -1)) / 2.0
        if self.masked:
            scores = scores + self.mask
        return x + self.output((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Heads(masked) for masked in (False, True))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def network():
    return Network(), torch.randn(4, 6, 12)
"""


def test_a_module_of_the_users_own(tmp_path):
    (tmp_path / "my.py").write_text(OWN)
    result = verify(f"{tmp_path}/my.py:build", steps="0:decompose,2:checkpoint")
    assert result.equal, result.difference
    assert [one.name for one in result.verified.findings][:3] == ["output", "gradient of input", "gradient of 0.weight"]
    with pytest.raises(InputError, match=r"return module, \(tensor, ...\)"):
        verify(f"{tmp_path}/my.py:nothing", steps="0:decompose")
    result = verify(f"{tmp_path}/my.py:Words", steps="rows:checkpoint", example="numbers=3x5:int64", precision="fp64")
    assert [one.name for one in result.verified.findings] == ["output", "gradient of rows", "gradient of rows.weight"]
    with pytest.raises(InputError, match="or add example"):
        verify(f"{tmp_path}/my.py:Words", steps="rows:checkpoint")
    with pytest.raises(InputError, match="3 samples for 2 ranks"):
        verify(f"{tmp_path}/my.py:build", steps="0:decompose", ranks=2)
    with pytest.raises(InputError, match="shapes such as"):
        verify(f"{tmp_path}/my.py:Words", steps="rows:checkpoint", example="3y5")
    with pytest.raises(InputError, match="Leave it out"):
        verify("bert", steps="sdpa", example="3x5")
    with pytest.raises(InputError, match="Linear has no softmax of scores between two products"):
        verify(f"{tmp_path}/my.py:build", steps="sdpa")
    with pytest.raises(InputError, match="the path of a module"):
        verify(f"{tmp_path}/my.py:build", steps="layers.*:checkpoint")


SPREAD = """
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows, self.norm = nn.Embedding(24, 12), nn.LayerNorm(12)
        self.up, self.down = nn.Linear(12, 24), nn.Linear(24, 12)
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(3)])

    def forward(self, numbers):
        x = self.rows(numbers)
        x = x + self.down(nn.functional.gelu(self.up(self.norm(x))))
        for layer in self.layers:
            x = x + layer(x)
        return x


def build():
    return Network(), torch.randint(24, (12, 5))


def tied():
    module = nn.Sequential(nn.Linear(12, 12), nn.GELU(), nn.Linear(12, 12))
    module[2].weight = module[0].weight
    return module, torch.randn(12, 12)


class Masked(Network):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 24, bias=False)
        self.head.weight = self.rows.weight

    def forward(self, numbers, keep):
        x = self.rows(numbers)
        for layer in self.layers:
            x = torch.tanh(layer(x)) * keep[..., None]
        return self.head(x)


class Residual(Network):
    def forward(self, x):
        made = x
        for layer in self.layers:
            made = x + layer(made)
        return made


def masked():
    return Masked(), (torch.randint(24, (12, 5)), torch.randint(2, (12, 5)))


def residual():
    return Residual(), torch.randn(12, 12)

"""
PAIR = "up:shard=columns,down:shard=rows"


@gloo
@pytest.mark.parametrize(
    ("ranks", "steps"),
    [
        (3, f"{PAIR},rows:shard,sync,layers.*:checkpoint"),
        (4, f"{PAIR},up:sync,down:sync"),
        (3, "layers.0:cut,layers.2:cut,layers.1:checkpoint"),
    ],
    ids=["tables too", "four ranks", "stages"],
)
def test_a_module_of_the_users_own_is_spread_over_ranks(tmp_path, ranks, steps):
    (tmp_path / "my.py").write_text(SPREAD)
    result = verify(f"{tmp_path}/my.py:build", steps=steps, ranks=ranks, precision="fp64")
    assert result.equal, result.difference
    assert len(result.verified.findings) == 15  # output, rows, and 13 parameters
    assert result.verified.missing == ()


@gloo
def test_stages_share_a_tied_weight_and_an_input(tmp_path):
    """Table and head are one tensor in the first stage and in the last, and every stage reads the mask."""
    (tmp_path / "my.py").write_text(SPREAD)
    result = verify(f"{tmp_path}/my.py:masked", steps="layers.1:cut,layers.2:cut", precision="fp64")
    assert result.equal, result.difference
    names = {finding.name for finding in result.verified.findings}
    assert {"gradient of rows.weight", "gradient of layers.2.bias"} <= names
    assert result.verified.missing == ()


@gloo
def test_a_tensor_that_passes_over_a_stage_is_refused(tmp_path):
    (tmp_path / "my.py").write_text(SPREAD)
    with pytest.raises(InputError, match="a tensor with a gradient passes over a stage"):
        verify(f"{tmp_path}/my.py:residual", steps="layers.1:cut,layers.2:cut", precision="fp64")


@gloo
def test_a_sum_that_a_module_of_the_users_own_lacks_is_found(tmp_path):
    (tmp_path / "my.py").write_text(SPREAD)
    result = verify(f"{tmp_path}/my.py:build", steps=f"{PAIR},down:sync", ranks=3, precision="fp64")
    assert not result.equal
    assert "norm" in result.first.name or "rows" in result.first.name


@pytest.mark.parametrize(
    ("name", "ranks", "steps", "message"),
    [
        ("build", 3, "up:shard,sync", "expected shard=columns or shard=rows"),
        ("build", 3, "shard,sync", "without a path"),
        ("build", 3, "norm:shard=rows", "norm is a LayerNorm"),
        ("build", 3, "upp:shard=rows", "Did you mean up?"),
        ("build", 3, "up:shard=across", "columns or rows"),
        ("build", 3, f"{PAIR},norm:sync", "nothing is sharded"),
        ("build", 5, f"{PAIR},sync", "a divisor of 24"),
        ("build", None, f"{PAIR},sync", "a degree to cut by"),
        ("tied", 3, "0:shard=columns,sync", "are those of 2 too"),
        ("build", 2, "cut=1+1", "cut with the path of one module"),
        ("build", 2, "layers.*:cut", "cut with the path of one module"),
        ("build", 2, "layer.1:cut", "Did you mean layers.*?"),
        ("build", 4, "layers.1:cut", "2, one for each stage"),
        ("build", 6, f"layers.1:cut,{PAIR},sync", "2, one for each stage"),
    ],
)
def test_what_cannot_be_spread_is_refused(tmp_path, monkeypatch, name, ranks, steps, message):
    (tmp_path / "my.py").write_text(SPREAD)
    monkeypatch.setattr(launch, "_on_ranks", refusal)
    with pytest.raises(InputError) as caught:
        verify(f"{tmp_path}/my.py:{name}", steps=steps, ranks=ranks, precision="fp64")
    assert message in str(caught.value)


def refusal(case, timeout, told):
    """Find in one process what all ranks refuse: a fake process group stands for the others."""
    with fake_ranks(case.ways.ranks):
        run(case, 0, lambda precision: None)
    return []


def test_attention_of_the_users_own_becomes_one_call(tmp_path, monkeypatch):
    (tmp_path / "my.py").write_text(OWN)
    calls, call = [], torch.nn.functional.scaled_dot_product_attention

    def counted(*given, **options):
        calls.append(options)
        return call(*given, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    result = verify(f"{tmp_path}/my.py:network", steps="sdpa,checkpoint", precision="fp64")
    assert result.equal, result.difference
    assert len(calls) == 2 * 2  # forward, and again in the backward pass
    assert [sorted(each) for each in calls[:2]] == [["scale"], ["attn_mask", "scale"]]
    assert calls[0]["scale"] == 0.5


def test_findings():
    close, far = Finding("output", "fp32", 1e-6, 1.0), Finding("output", "fp32", 1e-3, 1.0, rank=2)
    assert merged([[close], [far]], ["output"]) == [far]
    assert not far.equal
    assert not Finding("output", "fp64", math.nan, 1.0).equal
    assert Finding("output", "fp64", 0.0, 0.0).equal
