"""Operator lists of the trace's models against torch modules that were written apart from them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.errors import InputError  # noqa: E402 - what follows needs torch
from simcore.models.training.listing import operators_of  # noqa: E402
from simcore.models.training.traffic import all_calls, forward_calls, totals  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.real import MODELS, build, sample_input  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

BATCH = 2


def listed(name):
    model = read_model(name).value
    return operators_of(model.architecture, model.run(batch=BATCH)), model.element


def counted(name, *, backward):
    module, given = build(name, "meta"), sample_input(name, BATCH, "meta")
    counter = FlopCounterMode(display=False)
    with counter:
        out = module(given)
        if backward:
            out.sum().backward()
    return counter


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_of_the_module(name):
    operators, element = listed(name)
    assert operators.parameters / element == sum(one.numel() for one in build(name, "meta").parameters())


@pytest.mark.parametrize("name", MODELS)
def test_work_forward_is_what_torch_counts(name):
    operators, element = listed(name)
    assert totals(forward_calls(operators), element)[0] == counted(name, backward=False).get_total_flops()


@pytest.mark.parametrize("name", MODELS)
def test_work_of_all_passes_is_what_torch_counts(name):
    """But for weight gradients of convolutions in groups: torch counts them as if there was one group."""
    operators, element = listed(name)
    grouped = [one for one in operators if one.kernel == "conv" and one.size("groups") > 1]
    too_much = sum((one.size("groups") - 1) * one.work for one in grouped)
    assert bool(grouped) is (name == "shufflenetv2")
    assert totals(all_calls(operators), element)[0] + too_much == counted(name, backward=True).get_total_flops()


@pytest.mark.parametrize("name", ["shufflenetv2", "neumf"])
def test_a_module_runs(name):
    out = build(name)(sample_input(name, BATCH))
    assert len(out) == BATCH
    assert torch.isfinite(out).all()


def test_windows_see_what_the_shift_left_beside_them():
    """In the last windows three regions meet, so that a token sees at least its own."""
    block = next(one for one in build("swin-t").stages if getattr(one, "shift", 0))
    hidden = block.mask < 0
    assert hidden.any()
    assert not hidden.diagonal(dim1=1, dim2=2).any()
    assert not hidden[0].any()


def test_a_model_without_a_module_is_refused():
    with pytest.raises(InputError, match="Did you mean 'resnet50'"):
        build("resnet5")
