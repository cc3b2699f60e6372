"""Modules that run by PIT's kernels: outputs and gradients are those of the dense module."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from simcore.errors import InputError  # noqa: E402 - what follows needs torch
from simcore.models.compute.sparse.statistics import Bars, Lengths, Routing, Window, Zeros  # noqa: E402
from simcore.models.training.architecture import Batch, Experts, Run, Transformer  # noqa: E402
from simcore.models.training.dynamic import DynamicCase, dynamic_cases  # noqa: E402
from simcore.real.sparse import pitify, routed, tokenwise  # noqa: E402
from simcore.real.sparse.attention import attention, visible  # noqa: E402
from simcore.real.sparse.choice import Choice  # noqa: E402
from simcore.real.sparse.models import dynamic_inputs, dynamic_model, prune  # noqa: E402
from simcore.real.sparse.products import Kernel, killed, product  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.tensors import one_thread  # noqa: E402, F401

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference over the largest value."""

POSITIONS = 13
"""Of a sequence: no block of the kernels below divides it."""


@dataclass(frozen=True)
class Blind(Bars):
    """Bars in which nobody sees anything."""

    def mask(self, sequence: int) -> np.ndarray:
        """Return a mask that hides all."""
        return np.zeros((sequence, self.columns(sequence)), dtype=bool)


@dataclass(frozen=True)
class BlindWindow(Window):
    """A window in which nobody sees anything."""

    def mask(self, sequence: int) -> np.ndarray:
        """Return a mask that hides all."""
        return np.zeros((sequence, sequence), dtype=bool)


def tiny(figure: int) -> DynamicCase:
    """Return an experiment in sizes that no block divides."""
    case = dynamic_cases(figure, small=True)[0]
    model = replace(case.model, hidden=20, blocks=2, heads=2, head_dim=10, vocabulary=case.model.vocabulary and 37)
    if model.encoder is not None:
        runs, experts = (Run(1, sparse=False), Run(1)), Experts(3, 1, 28)
        encoder = replace(model.encoder, hidden=20, blocks=2, heads=2, head_dim=10, experts=experts, runs=runs)
        model = replace(model, encoder=encoder, experts=experts, runs=runs)
    around = replace(model.around, added=(POSITIONS + 2) * 20 if model.around.added else 0,
                     norm=20 if model.around.norm else 0)  # fmt: skip
    return replace(case, model=replace(model, around=around), batch=Batch(POSITIONS, 2, 4), lengths=None)


def one_token() -> DynamicCase:
    """Return experts that see a single token."""
    return replace(tiny(8), batch=Batch(1, 1, 4), routing=Routing((0, 1, 0)))


SOME, FEW = Lengths.of([9, 3], POSITIONS), Lengths.of([1, 1], POSITIONS)
CASES = {
    "experts, uneven": replace(tiny(8), routing=Routing((20, 5, 1))),
    "experts, all but one empty": replace(tiny(8), routing=Routing((0, 26, 0))),
    "experts, one token": one_token(),
    "OPT, lengths": replace(tiny(9), lengths=SOME),
    "OPT, one token": replace(tiny(9), lengths=FEW),
    "OPT, empty": replace(tiny(9), lengths=FEW),
    "BERT, lengths": replace(tiny(10), lengths=SOME),
    "BERT, one token": replace(tiny(10), lengths=FEW),
    "BERT, empty": replace(tiny(10), lengths=FEW),
    "Longformer, window": replace(tiny(11), pattern=Window(4, 1)),
    "Longformer, itself": replace(tiny(11), pattern=Window(0, 0)),
    "Longformer, empty": replace(tiny(11), pattern=BlindWindow(0, 0)),
    "Museformer, bars": replace(tiny(12), pattern=Bars(3, (1, 3))),
    "Museformer, bars of one": replace(tiny(12), pattern=Bars(1, (2,))),
    "Museformer, empty": replace(tiny(12), pattern=Blind(5)),
    "OPT training, lengths": replace(tiny(13), lengths=SOME),
    "OPT training, one token": replace(tiny(13), lengths=FEW),
    "OPT training, empty": replace(tiny(13), lengths=FEW),
    "pruned, blocks": replace(tiny(14), weights=Zeros(6, 4, 0.7)),
    "pruned, columns": replace(tiny(14), weights=Zeros(1, 3, 0.9)),
    "pruned, empty": replace(tiny(14), weights=Zeros(6, 4, 1.0)),
}
"""Seven models, each with three masks."""

KERNELS = (Kernel("k", 8), Kernel("m", 3), Kernel("rows"))


def each_in_turn() -> object:
    """Return what chooses one kernel after the other, whatever it costs."""
    turn = cycle(KERNELS)

    def choose(_: Tensor, __: int, ___: torch.dtype, axes: tuple[str, ...]) -> Choice:
        return Choice(next(one for one in turn if one.axis in axes), "its turn")

    return choose


def decide(module: nn.Module) -> nn.Module:
    """Keep what ReLU reads away from zero: rounding in bf16 would put it on either side, and gradients with it."""
    with torch.no_grad():
        for name, one in module.named_parameters():
            if name.endswith("feed_forward.up.bias"):
                one.copy_(torch.where(torch.arange(len(one)) % 8 > 0, -9.0, 9.0))
            elif name.endswith("tokens.weight"):
                one[:, 0] += 5  # without biases a column that is alike in all rows decides
            elif name.endswith("feed_forward.up"):
                one[:, 0] = torch.where(torch.arange(one.shape[2]) % 2 > 0, -2.0, 2.0)
    return module


def inputs_of(name: str, case: DynamicCase, *, whole: bool, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the inputs of a case; rows are integers if `whole`."""
    given = list(dynamic_inputs(case))
    if given[0].is_floating_point():
        given[0] = (given[0] * 3).round() if whole else given[0]
        given[0] = given[0].to(dtype).requires_grad_()
    if name.endswith("empty") and len(given) == 2:
        given[1] = torch.zeros_like(given[1])
    elif name.endswith("one token") and case.lengths is not None:
        given[1] = torch.zeros_like(given[1])
        given[1][1, 0] = True
    return tuple(given)


def computed(module: nn.Module, given: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Return the output and the gradients of all parameters and inputs."""
    output = module(*given)
    factors = integers(*output.shape, dtype=output.dtype, seed=5)
    named = dict(module.named_parameters())
    named.update({f"input {at}": one for at, one in enumerate(given) if one.requires_grad})
    grads = torch.autograd.grad((output * factors).sum(), list(named.values()), allow_unused=True)
    wanted = {name: torch.zeros_like(named[name]) if grad is None else grad
              for name, grad in zip(named, grads, strict=True)}  # fmt: skip
    return {"output": output.detach(), **wanted}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=["fp32", "bf16"])
@pytest.mark.parametrize("which", CASES)
def test_outputs_and_gradients_are_those_of_the_dense_module(which: str, dtype: torch.dtype) -> None:
    case = CASES[which]
    module = decide(dynamic_model(case)).to(dtype)
    for whole in (False, True):
        given = inputs_of(which, case, whole=whole, dtype=dtype)
        made = pitify(module)
        made.pit_choose = each_in_turn()
        wanted, found = computed(module, given), computed(made, given)
        steepest = max(float(one.abs().max()) for name, one in wanted.items() if name != "output")
        for name, one in wanted.items():  # biases of keys have a gradient of 0 but for rounding
            most = float(one.abs().max()) if name == "output" else steepest
            assert float((one - found[name]).abs().max()) <= TOLERANCES[dtype] * most, name
        assert any(site.pit for site in made.pit_sites.values())


def test_a_mask_that_changes_needs_no_new_module() -> None:
    case = CASES["pruned, blocks"]
    module, given = dynamic_model(case), dynamic_inputs(case)
    made = pitify(module)
    made.pit_choose = each_in_turn()
    before = made(*given)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(weight.roll(1, 0))
    prune(module)  # the masks are shared, as the weights are
    after = made(*given)
    assert not torch.equal(before, after)
    assert torch.allclose(after, module(*given), atol=1e-5)


def integers(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Return small whole numbers, whose sums are exact."""
    return torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=["fp32", "bf16"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("unread", [False, True])
def test_products_of_integers_are_equal_bit_for_bit(
    kernel: Kernel, dtype: torch.dtype, share: float, unread: bool
) -> None:
    mask = torch.rand(21, 17, generator=torch.Generator().manual_seed(1)) < share
    a, b = (
        (integers(21, 17, dtype=dtype) * mask).requires_grad_(),
        integers(17, 6, dtype=dtype, seed=1).requires_grad_(),
    )
    above = integers(21, 6, dtype=dtype, seed=2)
    above[4:7] = 0
    found = product(a, b, kernel.index(mask), kernel, unread=unread)
    wanted = a @ b
    assert torch.equal(found, wanted)
    (left, right), (exact_left, exact_right) = (torch.autograd.grad(one, (a, b), above) for one in (found, wanted))
    assert torch.equal(right, exact_right)
    assert torch.equal(left * mask, exact_left * mask)
    assert unread or torch.equal(left, exact_left)


def test_a_module_of_ones_own_is_equal_bit_for_bit_on_integers() -> None:
    """ReLU, a batch of products, and a mask of booleans whose softmax is exact."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(9, 40), nn.Linear(40, 7)
            with torch.no_grad():
                for number, one in enumerate(self.parameters()):
                    one.copy_(integers(*one.shape, seed=number))
                self.up.bias[4:] -= 90

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            rows = self.down(functional.relu(self.up(x)))
            heads = rows[:, None]
            seen = functional.scaled_dot_product_attention(heads * 0, heads, heads, attn_mask=mask)
            return (heads * seen) @ integers(2, 1, 7, 3)

    module, x = Own(), integers(2, 8, 9).requires_grad_()
    mask = torch.block_diag(*[torch.ones(2, 2, dtype=torch.bool)] * 4).bool()
    made = pitify(module)
    made.pit_choose = each_in_turn()
    for wanted, found in zip(computed(module, (x, mask)).items(), computed(made, (x, mask)).items(), strict=True):
        assert torch.equal(wanted[1], found[1]), wanted[0]
    assert [site.operator for site in made.pit_sites.values() if site.pit] == ["linear", "linear", "attention"]


def test_experts_of_integers_are_equal_bit_for_bit() -> None:
    x, up, down = integers(11, 5), integers(4, 5, 6, seed=1), integers(4, 6, 3, seed=2)

    class Sent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Parameter(up), nn.Parameter(down)

        def forward(self, rows: Tensor, choice: Tensor) -> Tensor:
            return routed(rows, choice, self.up, self.down)

    module = Sent()
    for choice in (torch.zeros(11, dtype=torch.int64), torch.arange(11) % 3):
        found = computed(pitify(module), (x, choice))
        assert all(torch.equal(found[name], one) for name, one in computed(module, (x, choice)).items())
        by_hand = torch.stack([(row @ up[at]).relu() @ down[at] for row, at in zip(x, choice, strict=True)])
        assert torch.equal(found["output"], by_hand)


def test_zeros_that_somebody_reads_keep_their_gradient() -> None:
    x = torch.ones(3, requires_grad=True)
    assert killed(x.relu())
    assert killed((x * torch.tensor([0.0, 1.0, 1.0])).softmax(0))
    assert not killed(x - 1)
    assert not killed(x * torch.nn.Parameter(torch.zeros(3)))
    kept = torch.rand(4, 16, requires_grad=True) > 0.5
    some = torch.rand(4, 16, requires_grad=True) * kept
    assert killed(some, some.detach() != 0)
    underflown = 1e-30 * torch.ones(4, 16, requires_grad=True) * kept
    assert not killed(underflown * 1e-30, torch.zeros_like(kept))
    zero = torch.zeros(4, 16, requires_grad=True) * kept  # zero where the mask lets the gradient pass
    assert not killed(zero)
    layer = nn.Linear(6, 2)
    made = pitify(layer)
    rows = torch.zeros(4, 6, requires_grad=True)
    (found,) = torch.autograd.grad(made(rows).sum(), rows)
    assert torch.allclose(found, layer.weight.sum(0).expand(4, 6))


def test_the_module_is_not_changed_and_shares_its_parameters() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    made = pitify(module, torch.rand(5, 4))
    assert type(module) is nn.Sequential
    assert isinstance(made, nn.Sequential)
    assert made.state_dict().keys() == module.state_dict().keys()
    assert all(a is b for a, b in zip(made.parameters(), module.parameters(), strict=True))


def test_a_query_that_sees_nothing_takes_nothing() -> None:
    q = torch.rand(1, 1, 3, 2)
    mask = torch.tensor([[[False] * 3, [True, False, True], [False] * 3]])
    out = attention(q, q, q, visible(mask, 2), 1.0, shared=True)
    assert out[0, 0, [0, 2]].abs().sum() == 0
    assert out[0, 0, 1].abs().sum() > 0


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_packed_attention_has_the_outputs_and_gradients_of_dense_attention(shared: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    given = [torch.randn(2, 13, 3, 4, dtype=dtype).transpose(1, 2).requires_grad_() for _ in range(3)]
    mask = torch.rand(1 if shared else 2, 13, 13) > 0.7
    mask[:, :, 0] = True
    out = attention(*given, visible(mask, 5), 0.3, shared=shared)
    wanted = functional.scaled_dot_product_attention(*given, mask[:, None], scale=0.3)
    above = torch.randn_like(wanted)
    pairs = [(out, wanted), *zip(*(torch.autograd.grad(one, given, above) for one in (out, wanted)), strict=True)]
    for got, other in pairs:
        assert (got - other).abs().max() <= TOLERANCES.get(dtype, 1e-6) * other.abs().max()


def test_wrong_masks_are_refused() -> None:
    x = torch.rand(2, 3, 4)
    with pytest.raises(InputError, match="valid: found 2 x 2, expected 2 x 3"):
        tokenwise(torch.relu, torch.ones(2, 2, dtype=torch.bool), x)
    with pytest.raises(InputError, match="choice: found 5, expected 3"):
        routed(x[0], torch.zeros(5, dtype=torch.int64), torch.rand(1, 4, 2), torch.rand(1, 2, 4))
    case = CASES["BERT, lengths"]
    with pytest.raises(InputError, match="valid: found 1 x 13, expected 2 x 13"):
        dynamic_model(case)(dynamic_inputs(case)[0], torch.ones(1, POSITIONS, dtype=torch.bool))


def test_models_without_a_transformer_are_seen_too() -> None:
    """Zeros of padded experts in a batch of products."""
    made = pitify(_Batched())
    padded = torch.zeros(3, 8, 5)
    padded[0, :2] = 1
    assert torch.allclose(made(padded), _Batched()(padded))
    assert [(site.operator, site.operand) for site in made.pit_sites.values()] == [("product", "input")]


class _Batched(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """Return a product with ones."""
        return torch.bmm(x, torch.ones(3, 5, 2))


def test_a_transformer_has_the_sizes_of_its_case() -> None:
    case = CASES["OPT, lengths"]
    assert isinstance(case.model, Transformer)
    module = dynamic_model(case)
    assert len(module.block) == 2
    share = [float((block.feed_forward.activation(block.feed_forward.up(torch.randn(500, 20))) == 0).float().mean())
             for block in module.block]  # fmt: skip
    assert all(0.9 < one < 1 for one in share)
