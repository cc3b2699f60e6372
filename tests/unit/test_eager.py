"""What eager PyTorch keeps for the backward pass, against what its memory tracker sees.

Fake tensors have sizes and no memory, so modules of 7 billion parameters are run on any machine. Their kernels are the
CPU's. Activations are counted when the loss is there; the numbers of tokens and classes are among them.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest
from simcore.models.training import language
from simcore.models.training.architecture import Batch, Share
from simcore.models.training.eager import Device, eager_operators
from simcore.models.training.functions import Activation
from simcore.models.training.passes import passes
from simcore.models.training.transformer import transformer_operators

torch = pytest.importorskip("torch")

from simcore.readers.models import read_model  # noqa: E402
from simcore.readers.schedules import parse_steps  # noqa: E402
from simcore.real.language import language_model  # noqa: E402  # needs torch
from simcore.real.schedule import apply  # noqa: E402

STYLES = {"eager": "", "fused": "sdpa", "recompute": "checkpoint", "fused, recompute": "sdpa,checkpoint"}
"""Training schedules."""
DTYPES = {2: torch.bfloat16, 4: torch.float32}

# hidden, blocks, heads and the like; vocabulary last
MODELS = {
    "gpt 350M": ("gpt", (1024, 24, 16, 50257)),
    "gpt 1.3B": ("gpt", (2048, 24, 16, 50257)),
    "gpt 6.7B": ("gpt", (4096, 32, 32, 50257)),
    "bert large": ("bert", (1024, 24, 16, 30522)),
    "bert 1.3B": ("bert", (2048, 24, 32, 30522)),
    "llama 350M": ("llama", (1024, 24, 16, 16, 2816, 32000)),
    "llama 7B": ("llama", (4096, 32, 32, 32, 11008, 32000)),
    "llama 8B, shared heads": ("llama", (4096, 32, 32, 8, 14336, 128256)),
    "t5 large": ("t5", (1024, 24, 16, 64, 4096, 32128)),
    "t5 3B": ("t5", (1024, 24, 32, 128, 16384, 32128)),
}
SMALL = {
    "gpt": ((32, 2, 4, 50), {"dropout": 0.0}),
    "bert": ((32, 2, 4, 50), {"dropout": 0.0}),
    "llama": ((32, 2, 4, 2, 48, 50), {}),
    "t5": ((32, 2, 4, 8, 64, 50), {"dropout": 0.0}),
}


@dataclass(frozen=True)
class Given:
    """Sequences, and tokens of each: T5 reads `tokens` and writes `written`."""

    sequences: int = 2
    tokens: int = 512
    written: int = 256

    def of(self, kind):
        return self.written if kind == "t5" else self.tokens


GIVEN = Given()


def module_of(kind, sizes, steps, **options):
    """A torch module after a schedule's steps."""
    module = language_model(getattr(language, kind)(*sizes, **options))
    apply(module, parse_steps(steps).value)
    return module


def fake():
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


def loss_of(module, kind, given=GIVEN):
    """The loss of random tokens."""
    numbers, classes = (torch.randint(9, (given.sequences, tokens)) for tokens in (given.tokens, given.of(kind)))
    written = [torch.randint(9, classes.shape)] if kind == "t5" else []
    return torch.nn.functional.cross_entropy(module(numbers, *written).flatten(0, 1), classes.flatten())


def tracked(kind, make, tensors=fake, given=GIVEN):
    """Activations that MemTracker sees at the end of the forward pass [B]."""
    from torch.distributed._tools.mem_tracker import MemTracker, _MemRefType

    class Current(MemTracker):
        """Peaks, which take most of the tracker's time, are not asked for."""

        def _update_peak_stats(self, peak_state):
            pass

    with tensors():
        module = make()
        tracker = Current()
        tracker.track_external(module)
        with tracker:
            loss = loss_of(module, kind, given)
            kept = tracker.get_tracker_snapshot("current")
        del loss
    return kept[torch.device("cpu")][_MemRefType.ACT]


def both(name, style, element, dropout, blocks=None, given=GIVEN):
    """The module's activations, and the list's, of a model with so many blocks."""
    kind, (hidden, depth, *rest) = MODELS[name]
    sizes = hidden, blocks or depth, *rest
    options = {} if kind == "llama" else {"dropout": dropout}
    old = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[element])
    try:
        seen = tracked(kind, lambda: module_of(kind, sizes, style, **options), given=given)
    finally:
        torch.set_default_dtype(old)
    if kind == "t5":
        options["sequence"] = given.tokens
    model = getattr(language, kind)(*sizes, **options)
    batch = Batch(given.of(kind), given.sequences, element)
    listed = eager_operators(
        model, batch, Share(fused="sdpa" in style), device=Device.CPU, recompute="checkpoint" in style
    )
    return seen, listed.saved


def schedule_and_list(kind, model, style, given):
    """The activations of a model's module and of its list, on a CPU in fp32."""

    def make():
        module = language_model(model)
        apply(module, parse_steps(style).value)
        return module

    listed = eager_operators(
        model, Batch(given.of(kind), given.sequences, 4), Share(fused="sdpa" in style), device=Device.CPU,
        recompute="checkpoint" in style,
    )  # fmt: skip
    return tracked(kind, make, given=given), listed.saved


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("kind", ["gpt", "t5"])
def test_every_activation_keeps_what_the_memory_tracker_sees(kind, activation, gated, style):
    """OPT is a GPT with ReLU, whose result the next product keeps; a squared ReLU keeps what it squares beside it."""
    sizes, options = SMALL[kind]
    given = Given(2, 24, 12)
    read = {"sequence": given.tokens} if kind == "t5" else {}
    model = getattr(language, kind)(*sizes, **options, **read)
    changed = {"functions": replace(model.kinds, activation=activation), "gated": gated}
    encoder = None if model.encoder is None else replace(model.encoder, **changed)
    seen, listed = schedule_and_list(kind, replace(model, encoder=encoder, **changed), STYLES[style], given)
    assert listed == seen


# the vectors of OPT-350M's tokens are narrower than its blocks: a product stands before its output layer
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["opt-2.7b", "opt-350m"])
def test_opt_keeps_what_the_memory_tracker_sees(name, style):
    model = replace(read_model(name).value.architecture, blocks=2, dropout=0.0)
    seen, listed = schedule_and_list("gpt", model, STYLES[style], Given(2, 24))
    assert listed == seen


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("element", DTYPES)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["gpt 350M", "bert large", "llama 8B, shared heads", "t5 large"])
def test_two_blocks_keep_what_the_memory_tracker_sees(name, style, element, dropout):
    if MODELS[name][0] == "llama" and dropout:
        pytest.skip("Llama drops nothing")
    seen, listed = both(name, STYLES[style], element, dropout, blocks=2)
    assert listed == seen


@pytest.mark.parametrize("given", [Given(1, 333, 512), Given(3, 100, 70), Given(4, 1, 3)], ids=str)
@pytest.mark.parametrize("style", ["eager", "fused"])
@pytest.mark.parametrize("name", ["gpt 350M", "bert large", "llama 8B, shared heads", "t5 large"])
def test_any_number_of_tokens_and_sequences(name, style, given):
    seen, listed = both(name, STYLES[style], 4, 0.0, blocks=2, given=given)
    assert listed == seen


@pytest.mark.parametrize("name", ["gpt 350M", "bert large", "llama 8B, shared heads"])
def test_a_share_of_blocks_that_run_again_keeps_its_share(name):
    kind, (hidden, _, *rest) = MODELS[name]
    seen = {
        steps: tracked(kind, lambda: module_of(kind, (hidden, 2, *rest), f"sdpa,{steps}"))  # noqa: B023 - called at once
        for steps in ("checkpoint=0", "checkpoint=0.5", "block.1:checkpoint", "checkpoint")
    }
    half = (seen["checkpoint=0"] + seen["checkpoint"]) / 2
    assert seen["checkpoint=0.5"] == seen["block.1:checkpoint"] == half


@pytest.mark.parametrize("style", ["eager", "fused", "recompute"])
@pytest.mark.parametrize("name", MODELS)
def test_whole_models_keep_what_the_memory_tracker_sees(name, style):
    seen, listed = both(name, STYLES[style], 2, 0.1 if style == "eager" else 0.0)
    assert listed == seen


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["gpt", "bert", "llama", "t5"])
def test_real_tensors_keep_what_fake_ones_do(kind, style):
    sizes, _ = SMALL[kind]
    seen = [tracked(kind, lambda: module_of(kind, sizes, STYLES[style]), each) for each in (fake, nullcontext)]
    assert seen[0] == seen[1]


def whole(name, **options):
    kind, sizes = MODELS[name]
    return getattr(language, kind)(*sizes, **options)


@pytest.mark.parametrize("name", MODELS)
def test_the_list_has_the_modules_parameters(name):
    kind, sizes = MODELS[name]
    with torch.device("meta"):
        module = module_of(kind, sizes, "")
    listed = eager_operators(whole(name), Batch(512, 1, 4)).parameters / 4
    assert listed == sum(one.numel() for one in module.parameters())


@pytest.mark.parametrize("kind", SMALL)
def test_how_a_model_is_run_changes_no_result(kind):
    sizes, options = SMALL[kind]
    generator = torch.Generator().manual_seed(1)
    numbers = [torch.randint(50, (2, 12), generator=generator) for _ in range(2 if kind == "t5" else 1)]
    made = {}
    for name, style in STYLES.items():
        torch.manual_seed(0)
        module = module_of(kind, sizes, style, **options)
        logits = module(*numbers)
        logits.square().mean().backward()
        made[name] = [logits.detach(), *(one.grad for one in module.parameters())]
    for others in made.values():
        torch.testing.assert_close(others, made["eager"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["gpt", "llama", "t5"])
@pytest.mark.parametrize("style", ["eager", "fused"])
def test_no_token_sees_a_later_one(kind, style):
    sizes, options = SMALL[kind]
    torch.manual_seed(0)
    module = module_of(kind, sizes, STYLES[style], **options)
    numbers = torch.randint(50, (1, 12))
    changed = torch.cat((numbers[:, :8], (numbers[:, 8:] + 1) % 50), 1)
    read = [numbers] if kind == "t5" else []
    before, after = module(*read, numbers), module(*read, changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def flop_of(kind, sizes, style, **options):
    """Work that torch counts forward, and backward; its counter has to be told of the CPU's fused attention."""
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    def forward(q, k, v, *_, **__):
        return sdpa_flop_count(q, k, v)

    def backward(gradient, q, k, v, *_, **__):
        return sdpa_backward_flop_count(gradient, q, k, v)

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    fused_back = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    with fake():
        module = module_of(kind, sizes, style, **options)
        with FlopCounterMode(display=False, custom_mapping={fused: forward, fused_back: backward}) as counter:
            loss = loss_of(module, kind)
            first = counter.get_total_flops()
            loss.backward()
    return first, counter.get_total_flops() - first


def work(calls):
    return sum(call.work for call in calls if call.kernel in {"gemm", "attention", "attention_backward"})


# T5's biases keep the CPU's fused kernel from running, and its operators one by one compute no scores again
@pytest.mark.parametrize("style", ["eager", "fused", "recompute"])
@pytest.mark.parametrize("name", ["gpt 350M", "bert large", "llama 8B, shared heads", "t5 large"])
def test_work_is_what_torch_counts(name, style):
    kind, (hidden, _, *rest) = MODELS[name]
    if kind == "t5" and style == "fused":
        pytest.skip("no kernel of the CPU fuses it")
    sizes, options = (hidden, 2, *rest), {} if kind == "llama" else {"dropout": 0.0}
    seen = flop_of(kind, sizes, STYLES[style], **options)
    read = {"sequence": GIVEN.tokens} if kind == "t5" else {}
    model = getattr(language, kind)(*sizes, **options, **read)
    batch = Batch(GIVEN.of(kind), GIVEN.sequences)
    made = [(one, passes(one)) for one in transformer_operators(model, batch, Share(fused=style == "fused"))]
    forward = sum(work(each.forward) for _, each in made)
    backward = sum(work((*each.input_gradient, *each.weight_gradient)) for _, each in made)
    if style == "recompute":
        blocks = [(one, work(each.forward)) for one, each in made if "block." in one.path]
        backward += sum(again for _, again in blocks)
        if kind != "bert":  # nothing of a block needs what its last product makes, so torch stops before it
            backward -= sum(again for one, again in blocks if one.path.endswith("feed_forward.down"))
    assert seen == (forward, backward)


def test_recomputed_blocks_keep_their_inputs_alone():
    model, batch = whole("gpt 350M"), Batch(512, 2, 2)
    kept = eager_operators(model, batch, recompute=True)
    blocks = [section for section in kept.sections if section.path == "block"]
    assert sum(section.count * one.saved for section in blocks for one in section.operators) == 24 * 2 * 1024 * 1024


def test_cuda_keeps_masks_of_a_byte_and_fuses_root_mean_square_norms():
    batch = Batch(512, 2, 2)
    n, h = 1024, 1024
    with_dropout, without = (whole("gpt 350M", dropout=dropout) for dropout in (0.1, 0.0))
    masks = [eager_operators(one, batch, Share(fused=True)).saved for one in (with_dropout, without)]
    assert masks[0] - masks[1] == (2 * 24 + 1) * n * h
    llama = whole("llama 350M")
    cpu, cuda = (eager_operators(llama, batch, device=device).saved for device in (Device.CPU, Device.CUDA))
    # two fp32 numbers in place of one of 2 B, in two norms per block and the last one
    assert cpu - cuda == (2 * 24 + 1) * n * h * (2 * 4 - 2)


def test_tensor_parallelism_cuts_heads_and_scores():
    """What is whole on each GPU is kept whole, the rest once in all."""
    model, batch = whole("gpt 350M", dropout=0.0).stack(), Batch(512, 2, 2)
    block = 2 * 1024 * 1024  # B of activations
    one, two, four = (eager_operators(model, batch, Share(tp)).saved for tp in (1, 2, 4))
    assert one - two == 2 * (two - four)
    shared = two - (one - two)
    assert shared == 24 * (4 * block + 2 * 2 * 1024 * 4)  # inputs of norms and of what follows them, and statistics
