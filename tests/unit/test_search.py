"""Search of layouts: equal to trying everything, and never what does not fit."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.compute.device import Device
from simcore.models.training.parallel.changes import best_change
from simcore.models.training.parallel.counted import most_held
from simcore.models.training.parallel.evaluation import Evaluator
from simcore.models.training.parallel.layout import Layout, Recompute, total_blocks
from simcore.models.training.parallel.memory import held_micro_batches
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.search import capacity, fits, search_layouts
from simcore.readers.devices import read_device
from simcore.studies.deployment.layouts import deployed
from simcore.studies.memory import MemoryRequest, memory
from simcore.studies.search import SearchRequest, search

GPT = {"model": "gpt-1.3b", "gpus": 8, "device": "v100-32gb", "precision": "fp16", "global_batch": 32}
MIXTURE = {"model": "mixtral-8x7b", "gpus": 16, "device": "h100", "global_batch": 16, "sequence": 2048, "cp": 1}


def everything(request):
    """All layouts of any degrees, found without the search: what cannot be run is refused by the evaluation."""
    deployment = deployed(request, open_all=True)
    model, gpus, batch = deployment.model, deployment.gpus, deployment.global_batch
    powers = [2**i for i in range(8)]
    fits_heads = [t for t in powers if t <= min(gpus, deployment.node) and (model.kv_heads or model.heads) % t == 0]
    experts = 1 if model.experts is None else model.experts.count
    found = []
    for tp, cp, pp, dp, vp, ep, size in itertools.product(
        [request.tp] if request.tp else fits_heads,
        [request.cp] if request.cp else powers,
        range(1, gpus + 1),
        range(1, gpus + 1),
        range(1, 9),
        range(1, experts + 1),
        [1, 2, 4, 8, 16, 32],
    ):
        if tp * cp * pp * dp != gpus or batch % (dp * size) or experts % ep or (cp * dp) % ep:
            continue
        micro_batches = batch // dp // size
        if vp > 1 and (pp == 1 or total_blocks(model) % (pp * vp) or micro_batches % pp):
            continue
        for recompute, zero in itertools.product((Recompute.NONE, Recompute.FULL), (0, 1)):
            if zero and cp * dp == 1:
                continue
            layout = replace(
                deployment.base, tp=tp, cp=cp, pp=pp, vp=vp, ep=ep, dp=dp, micro_batch=size,
                micro_batches=micro_batches, order="interleaved" if vp > 1 else "1F1B", recompute=recompute, zero=zero,
                sequence_parallel=tp > 1,
            )  # fmt: skip
            found.append(layout)
    return deployment, found


@pytest.mark.parametrize("inputs", [GPT, {**GPT, "tp": 2, "cp": 1}, MIXTURE], ids=["gpt", "given", "experts"])
def test_search_is_brute_force(inputs):
    deployment, layouts = everything(SearchRequest(**inputs))
    evaluator, device = deployment.evaluator, deployment.evaluator.machine.profile.device
    evaluated = []
    for layout in layouts:
        try:
            evaluated.append(evaluator.evaluate(layout))
        except InputError:
            continue
    fitting = [one for one in evaluated if fits(one, device)]
    result = search(**inputs)
    assert result.best.time == min(one.time for one in fitting)
    tried = {one.layout: (one.time, one.reserved) for one in result.found.points}
    assert tried == {one.layout: (one.time, one.worst.reserved) for one in evaluated}
    assert result.found.misfits == len(evaluated) - len(fitting)
    assert all(fits(one, device) for one in result.listed)
    assert [one.time for one in result.listed] == sorted(one.time for one in result.listed)


def test_nothing_is_returned_that_does_not_fit():
    result = search("llama-2-70b", gpus=8, device="v100-32gb", precision="fp16", global_batch=8)
    assert result.best is None
    assert result.listed == ()
    assert result.found.misfits == result.found.tried > 0
    assert result.found.smallest.worst.reserved == min(one.reserved for one in result.found.points) > result.capacity


def test_a_layout_that_is_given_is_kept():
    result = search(**GPT, tp=2, pp=2, micro_batch=2, recompute="full", zero=1)
    for one in result.found.points:
        layout = one.layout
        assert (layout.tp, layout.pp, layout.micro_batch, layout.zero) == (2, 2, 2, 1)
        assert layout.recompute is Recompute.FULL


def with_memory(evaluator, gigabytes):
    """The same evaluator on a device of another size."""
    machine = evaluator.machine
    device = replace(machine.profile.device, memory=gigabytes * 1e9)
    return Evaluator(
        evaluator.model, evaluator.sequence, machine._replace(profile=replace(machine.profile, device=device))
    )


def test_more_memory_never_turns_a_fit_into_a_misfit():
    deployment = deployed(SearchRequest(**GPT), open_all=True)
    layouts = list(deployment.layouts())
    before, time = set(), float("inf")
    for gigabytes in (8, 12, 16, 24, 32, 40, 80, 192):
        evaluator = with_memory(deployment.evaluator, gigabytes)
        found = search_layouts(evaluator, layouts)
        fitting = {one.layout for one in found.best}
        assert before <= fitting
        assert not fitting or found.best[0].time <= time
        before, time = fitting, found.best[0].time if fitting else time


@given(st.floats(1e9, 2e11), st.floats(1.0, 10.0))
def test_capacity_grows_with_memory(memory_bytes, factor):
    small, large = (Device("d", "cuda", 1, size, 1e12, 1e6) for size in (memory_bytes, factor * memory_bytes))
    assert capacity(small) <= capacity(large)
    assert capacity(small) < memory_bytes / 1e9 * 2**30


@given(
    order=st.sampled_from(["GPipe", "1F1B", "looped", "interleaved"]), pp=st.integers(2, 7), vp=st.integers(1, 5),
    micro_batches=st.integers(1, 40),
)  # fmt: skip
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_what_orders_hold_in_closed_form_is_what_their_turns_hold(order, pp, vp, micro_batches):
    vp = vp if order in {"looped", "interleaved"} else 1
    try:
        turns = turns_of(order, Pipelined(pp, micro_batches, vp))
    except InputError:
        return
    assert held_micro_batches(order, pp, vp, micro_batches) == tuple(most_held(each) for each in turns)


def test_a_model_that_does_not_fit_is_told_the_fastest_change_that_does():
    given_layout = {"model": "gpt-1.3b", "gpus": 8, "device": "v100-32gb", "precision": "fp16", "tp": 1, "pp": 1}
    given_layout |= {"micro_batch": 8, "global_batch": 128, "recompute": "none"}
    result = memory(**given_layout)
    assert not result.fits
    assert result.remedy.what == "micro-batches of 4"
    assert result.remedy.result.worst.reserved <= result.capacity
    deployment = deployed(MemoryRequest(**given_layout))
    change = best_change(deployment.evaluator, result.evaluation.layout)
    assert (change.what, change.result.time) == (result.remedy.what, result.remedy.result.time)


def test_two_changes_are_named_where_one_is_not_enough():
    result = memory(
        "gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", tp=1, pp=1, micro_batch=32, global_batch=256,
        recompute="none",
    )  # fmt: skip
    deployment = deployed(MemoryRequest(**result.provenance.inputs))
    assert best_change(deployment.evaluator, result.evaluation.layout) is None
    assert " and " in result.remedy.what
    assert result.remedy.result.worst.reserved <= result.capacity


def test_more_gpus_are_asked_for_where_no_change_helps():
    result = memory("llama-2-70b", gpus=8, device="h100", tp=8, pp=1)
    assert not result.fits
    assert result.remedy.result.layout.gpus > 8
    assert result.remedy.what.startswith(f"{result.remedy.result.layout.gpus} GPUs: ")
    assert result.remedy.result.layout.global_batch == result.evaluation.layout.global_batch == 8
    assert result.remedy.result.worst.reserved <= result.capacity


def test_memory_needs_no_network():
    known = memory("bert-base", gpus=4, device="t4", precision="fp16", network="Switch(4)@1GB/s", tp=2, pp=1, cp=1)
    unknown = memory("bert-base", gpus=4, device="t4", precision="fp16", tp=2, pp=1, cp=1)
    assert (known.timed, unknown.timed) == (True, False)
    assert [one.kinds for one in known.evaluation.memory] == [one.kinds for one in unknown.evaluation.memory]
    assert unknown.as_dict()["seconds"] is None


def test_kinds_and_operators_add_up():
    result = memory("llama-2-7b", gpus=8, device="a100-80gb", tp=2, pp=4, global_batch=16)
    for one in result.evaluation.memory:
        assert one.allocated == pytest.approx(sum(one.kinds.values()), rel=1e-12)
        assert sum(one.operators.values()) == pytest.approx(one.kinds["activations"], rel=1e-12)
        assert one.reserved > one.allocated
    worst = result.evaluation.worst
    assert worst.reserved == max(one.reserved for one in result.evaluation.memory)
    assert result.first_gpu == worst.rank * 2


@pytest.mark.parametrize("name", ["h100", "v100-32gb"])
def test_a_gpu_has_less_than_its_name_says(name):
    device = read_device(name).value
    assert 0.98 * device.memory / 1e9 < capacity(device) / 2**30 < device.memory / 1e9


def test_a_layout_has_the_gpus_it_is_searched_for():
    for one in search(**GPT).found.points:
        assert one.layout.gpus == 8
        assert one.layout.global_batch == 32
        assert isinstance(one.layout, Layout)
