"""Properties of the bandwidth optimiser on random networks and workloads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.bandwidth.certificate import Weights, lower_bound
from simcore.models.bandwidth.plan import best_plan, best_split
from simcore.models.bandwidth.product_bounds import Envelope, Line, product_bound
from simcore.models.bandwidth.region import FLOOR, Constraint, Sense, cap, make_region, minimum
from simcore.models.bandwidth.target import Target
from simcore.models.bandwidth.time_search import search
from simcore.models.network.collectives import Collective, traffic
from simcore.models.network.mapping import Groups
from simcore.models.training.closed_form import compile_step, mean_step
from simcore.models.training.program import CLOSED_FORM_LOOPS
from simcore.models.training.workload import Layer, Phase, Workload

BUDGET = 300e9

phases = st.builds(
    Phase,
    compute=st.floats(0, 1e-2),
    collective=st.sampled_from([None, *Collective]),
    size=st.floats(1e3, 1e9),
)
layers = st.builds(Layer, name=st.just("layer"), forward=phases, input_gradient=phases, weight_gradient=phases)
workloads = st.lists(layers, min_size=1, max_size=8).map(lambda some: Workload("random", tuple(some), 1, 1))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def models(draw, loops=CLOSED_FORM_LOOPS):
    size = draw(st.integers(1, 5))
    sizes = st.lists(st.sampled_from([1, 1, 2, 4, 8]), min_size=size, max_size=size).map(tuple)
    groups = Groups(draw(sizes), draw(sizes))
    return compile_step(draw(workloads), groups, draw(st.sampled_from(loops)), draw(st.booleans()))


def random_splits(rng, count, size, budget=BUDGET):
    """Splits of the budget that respect the floor, some of them close to the edges."""
    shares = rng.dirichlet(np.ones(size), count // 2), rng.dirichlet(np.full(size, 0.2), count - count // 2)
    return budget * (FLOOR + (1 - size * FLOOR) * np.concatenate(shares))


@given(models(), seeds)
def test_time_is_convex_and_never_increasing(model, seed):
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    a, b = rng.uniform(1e8, 1e11, (2, 50, size))
    weight = rng.uniform(0, 1, (50, 1))
    between = model.time(weight * a + (1 - weight) * b)
    chord = weight[:, 0] * model.time(a) + (1 - weight[:, 0]) * model.time(b)
    assert (between <= chord * (1 + 1e-12)).all()
    more = a + rng.uniform(0, 1e11, a.shape) * (rng.uniform(size=a.shape) < 0.5)
    assert (model.time(more) <= model.time(a) * (1 + 1e-12)).all()


@given(models(), seeds)
def test_scaling_bytes_and_bandwidths_together_changes_nothing(model, seed):
    b = random_splits(np.random.default_rng(seed), 4, model.shapes.shape[1])
    larger = replace(
        model, blocking=8 * model.blocking, input_volume=8 * model.input_volume, weight_volume=8 * model.weight_volume
    )
    assert larger.time(8 * b) == pytest.approx(model.time(b), rel=1e-12)


@settings(max_examples=12)
@given(models())
def test_scaling_bytes_and_budget_together_scales_the_split(model):
    size = model.shapes.shape[1]
    prices = np.arange(1.0, size + 1)
    one, _ = best_split(model, make_region(BUDGET, size), prices, Target.PERF)
    larger = replace(
        model, blocking=8 * model.blocking, input_volume=8 * model.input_volume, weight_volume=8 * model.weight_volume
    )
    eight, _ = best_split(larger, make_region(8 * BUDGET, size), prices, Target.PERF)
    assert eight.objective == pytest.approx(one.objective, rel=3e-9)
    assert float(model.time(eight.bandwidths / 8)) == pytest.approx(one.objective, rel=3e-9)


@settings(max_examples=12)
@given(models(), seeds, st.sampled_from(Target))
def test_relabelled_dimensions_relabel_the_split(model, seed, target):
    size = model.shapes.shape[1]
    order = np.random.default_rng(seed).permutation(size)
    prices = np.random.default_rng(seed).uniform(1, 60, size)
    region = make_region(BUDGET, size)
    first, _ = best_split(model, region, prices, target)
    second, _ = best_split(replace(model, shapes=model.shapes[:, order]), region, prices[order], target)
    assert second.objective == pytest.approx(first.objective, rel=1e-8)
    back = np.empty(size)
    back[order] = second.bandwidths
    assert float(model.time(back)) * (float(prices @ back) if target is Target.PER_COST else 1) == pytest.approx(
        first.objective, rel=1e-8
    )


@settings(max_examples=12)
@given(models(), seeds, st.sampled_from(Target))
def test_relabelled_dimensions_relabel_the_plan(model, seed, target):
    """With ties settled the splits themselves are relabelled, as exactly as a split is certain."""
    size = model.shapes.shape[1]
    order = np.random.default_rng(seed).permutation(size)
    prices = np.random.default_rng(seed).uniform(1, 60, size)
    region = make_region(BUDGET, size)
    first = best_plan(model, region, prices, target)
    second = best_plan(replace(model, shapes=model.shapes[:, order]), region, prices[order], target)
    ours, theirs = (np.array([each.bandwidth for each in plan.dimensions]) for plan in (first, second))
    assert np.abs(theirs - ours[order]).max() <= 1e-3 * BUDGET


@settings(max_examples=40)
@given(models(), seeds, st.sampled_from(Target))
def test_the_optimum_beats_a_thousand_random_splits(model, seed, target):
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    prices = rng.uniform(1, 60, size)
    found, _ = best_split(model, make_region(BUDGET, size), prices, target)
    b = random_splits(rng, 1000, size)
    values = model.time(b) * (b @ prices if target is Target.PER_COST else 1.0)
    # a valid bound is below every split; the optimum is, up to its certified gap
    assert (found.lower_bound <= values * (1 + 1e-12)).all()
    assert (found.objective <= values * (1 + 2 * max(found.gap, 1e-12))).all()
    assert found.gap <= (1e-7 if target is Target.PERF else 1e-6)
    assert found.bandwidths.sum() == pytest.approx(BUDGET, rel=1e-12)
    assert (found.bandwidths >= FLOOR * BUDGET * (1 - 1e-12)).all()


@settings(max_examples=12)
@given(models(), seeds, st.sampled_from(Target), st.booleans())
def test_with_caps_and_minima_the_optimum_beats_random_admissible_splits(model, seed, target, at_most):
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    inside = random_splits(rng, 2, size)[0]  # a split that the limits leave admissible
    limits = [cap(i, inside[i] * rng.uniform(1, 2), size, f"cap {i}") for i in range(size) if rng.uniform() < 0.4]
    limits += [minimum(i, inside[i] * rng.uniform(0.3, 1), size, "min") for i in range(size) if rng.uniform() < 0.5]
    region = make_region(BUDGET, size, limits, at_most=at_most)
    prices = rng.uniform(1, 60, size)
    found, _ = best_split(model, region, prices, target)
    assert region.violation(found.bandwidths) < 1e-12
    b = np.concatenate([inside[None, :], inside + 0.3 * (random_splits(rng, 300, size) - inside)])
    if at_most:
        b = b * rng.uniform(0.5, 1, (len(b), 1))
    b = np.array([one for one in b if region.violation(one) < 1e-12] or [found.bandwidths])
    values = model.time(b) * (b @ prices if target is Target.PER_COST else 1.0)
    assert (found.lower_bound <= values * (1 + 1e-12)).all()
    assert (found.objective <= values * (1 + 2 * max(found.gap, 1e-12))).all()


@settings(max_examples=30)
@given(models(), seeds, st.sampled_from(Target))
def test_with_linear_constraints_the_optimum_is_admissible_and_no_worse(model, seed, target):
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    inside = random_splits(rng, 2, size)[0]
    limits = []
    for _ in range(rng.integers(1, 4)):
        row = rng.integers(-2, 3, size).astype(float)
        tight, equal = rng.uniform() < 0.5, rng.uniform() < 0.3
        bound = float(row @ inside) + (0.0 if tight or equal else float(rng.uniform(0, 1e10)))
        if row.any():
            limits.append(Constraint("linear", tuple(row), Sense.EQUAL if equal else Sense.AT_MOST, bound))
    region, prices = make_region(BUDGET, size, limits), rng.uniform(1, 60, size)
    found, _ = best_split(model, region, prices, target)
    assert region.violation(found.bandwidths) < 1e-12
    assert found.gap <= (1e-7 if target is Target.PERF else 1e-6)
    value = float(model.time(inside)) * (float(prices @ inside) if target is Target.PER_COST else 1.0)
    assert found.lower_bound <= value * (1 + 1e-9)  # the split inside meets the equalities up to rounding only


def small_problem(seed, *, near_equal=True):
    """Return a model, prices that are zero, equal or far apart, a region with caps and minima, and a split in it."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 5))

    def phase():
        collective = list(Collective)[rng.integers(4)] if rng.uniform() < 0.8 else None
        return Phase(float(rng.choice([0, 1e-3, 5e-3])), collective, float(rng.choice([1e6, 1e8, 1e9 * rng.uniform()])))

    some = tuple(Layer("layer", phase(), phase(), phase()) for _ in range(rng.integers(1, 5)))
    tp, dp = (tuple(int(one) for one in rng.choice([1, 1, 2, 4, 8], size)) for _ in range(2))
    loop = CLOSED_FORM_LOOPS[rng.integers(2)]
    model = compile_step(Workload("random", some, 1, 1), Groups(tp, dp), loop, bool(rng.uniform() < 0.5))
    kinds = [
        np.where(rng.uniform(size=size) < 0.6, rng.uniform(0, 1, size), 0.0),
        np.ones(size),
        np.where(rng.uniform(size=size) < 0.8, np.array([1, 2, 2, 57.4])[:size], 0.0),
        10.0 ** rng.uniform(-4, 2, size),
        1 + 1e-5 * np.arange(size) * rng.choice([1, 1e-3]),
    ]
    prices = 1e-6 * kinds[rng.integers(5 if near_equal else 4)]
    prices[0] += 1e-6 * (not prices.any())
    inside = random_splits(rng, 2, size)[0]
    limits = [cap(i, inside[i] * rng.uniform(1, 2), size, f"cap {i}") for i in range(size) if rng.uniform() < 0.3]
    limits += [
        minimum(i, inside[i] * rng.uniform(0.1, 1), size, f"min {i}") for i in range(size) if rng.uniform() < 0.3
    ]
    if rng.uniform() < 0.2:  # nothing left to choose
        limits = [minimum(i, inside[i] * (1 - 1e-15), size, f"min {i}") for i in range(size)]
    region = make_region(BUDGET, size, limits, at_most=bool(rng.uniform() < 0.4))
    return model, prices, region, inside


@pytest.mark.parametrize("start", range(0, 150, 25))
def test_time_x_cost_is_certified_whatever_the_prices(start):
    for seed in range(start, start + 25):
        model, prices, region, inside = small_problem(seed)
        found, _ = best_split(model, region, prices, Target.PER_COST)
        assert found.gap <= 1e-6, seed
        assert found.programs <= 150, seed  # of these problems some 25 need
        assert region.violation(found.bandwidths) < 1e-12, seed
        rng = np.random.default_rng(seed)
        b = inside + rng.uniform(0, 1, (200, 1)) * (random_splits(rng, 200, len(prices)) - inside)
        b = np.concatenate([inside[None, :], b * (1.0 if region.equal[0] else rng.uniform(0.1, 1, (200, 1)))])
        b = np.array([one for one in b if region.violation(one) < 1e-12] or [found.bandwidths])
        values = model.time(b) * (b @ prices)
        assert (found.lower_bound <= values * (1 + 1e-12)).all(), seed
        assert (found.objective <= values * (1 + 1e-6)).all(), seed


def linear_problem(seed):
    """Return a small problem with one to three linear constraints of mixed signs, with or without its limits."""
    model, prices, region, inside = small_problem(seed)
    rng, size = np.random.default_rng((seed, 1)), len(prices)
    limits = list(region.constraints[1:]) if rng.uniform() < 0.5 else []
    for _ in range(rng.integers(1, 4)):
        row = rng.integers(-2, 3, size).astype(float)
        tight, equal = rng.uniform() < 0.5, rng.uniform() < 0.3
        bound = float(row @ inside) + (0.0 if tight or equal else float(rng.uniform(0, 1e10)))
        if row.any():
            limits.append(Constraint("linear", tuple(row), Sense.EQUAL if equal else Sense.AT_MOST, bound))
    return model, prices, make_region(BUDGET, size, limits, at_most=not region.equal[0]), inside


@pytest.mark.parametrize("some", [range(30), (665,)])
def test_time_x_cost_is_certified_with_linear_constraints_and_free_dimensions(some):
    """The last has a product that is flat to 1e-6 over decades of cost, and a row that no geometric program takes."""
    for seed in some:
        model, prices, region, inside = linear_problem(seed)
        found, _ = best_split(model, region, prices, Target.PER_COST)
        assert found.gap <= 1e-6, seed
        assert region.violation(found.bandwidths) < 1e-12, seed
        value = float(model.time(inside)) * float(prices @ inside)
        assert found.lower_bound <= value * (1 + 1e-9), seed


def saved_by_steps(model, region, plan, prices, index):
    """Yield what a limit (None: the network cost) saves per unit over ever smaller steps, and how exact that is.

    By whole searches, so that a step is as exact as the gaps of both, and the 1e-12 of the budget by which a split may
    break its limits. After the first no step is so small that it leaves more than 1 %, or 1e-4 of the time for a whole
    budget. None in place of a saving where no split meets the limit.
    """
    b, fixed = np.array(plan.bandwidths), region.equal[0] and np.ptp(prices) == 0  # fixed: the budget is the cost
    per_cost = plan.target is Target.PER_COST and not fixed
    reach, whole = (plan.cost, plan.cost) if index is None else (0.0, BUDGET)
    if index is not None:
        reach = float((np.abs(region.constraints[index].coefficients) * b).max())

    def solve(step):
        limit = region if index is None or step == 0 else region.loosened(index, step)
        cost = plan.cost + (step if index is None else 0.0)
        return search(model, limit.with_cost(prices, cost)[0] if per_cost else limit, 1e-12, None, b)

    before = solve(0.0)
    if before is None:
        return
    for size in 10.0 ** -np.arange(5, 10):
        after = solve(size * reach)
        if after is None:
            yield None, 0.0
            continue
        saved = (before.objective - after.objective) / (size * reach)
        exact = (before.gap + after.gap + 2e-11) * before.objective / (size * reach)
        small = 1e-2 * abs(saved) + 1e-4 * before.objective / whole
        if size < 1e-5 and exact > small:
            return
        yield saved, exact + small


def wrong_prices(seed, target):
    """Return the shadow prices of a problem that are not one-sided differences, each with a reason."""
    model, prices, region, _ = small_problem(seed, near_equal=False)
    plan = best_plan(model, region, prices, target)
    names, wrong = [one.name for one in region.constraints], []
    fixed = target is Target.PER_COST and region.equal[0] and np.ptp(prices) == 0
    for price in plan.shadow_prices:
        index = {"budget": 0, "network cost": None}.get(price.name, -1)
        found = price.per_dollar if index is None else price.per_bandwidth
        if fixed and not index:  # no larger budget costs as much
            wrong += [(price, "has a price")] if found is not None or price.unknown else []
            continue
        if price.unknown:
            wrong.append((price, "is unknown"))
            continue
        steps, agree = [], False
        index = names.index(price.name) if index == -1 else index
        for saved, exact in saved_by_steps(model, region, plan, prices, index):
            steps.append((saved, exact))
            # as the time is convex in its limits, no step saves more than the price
            agree = (saved is None and found is None) or (
                saved is not None and found is not None and saved - exact <= found <= saved + exact
            )
            if agree or (saved is not None and (found is None or found < saved - exact)):
                break
        # the search may find no split in a region as thin as a point, where nothing is to be compared
        if not agree and any(saved is not None for saved, _ in steps):
            wrong.append((price, steps))
    return wrong


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("some", [range(20), range(20, 40), range(40, 60), (70, 265, 302, 400, 479, 499)])
def test_shadow_prices_are_one_sided_differences_of_the_optimum(some, target):
    """Never less than what a step saves, and what a small step saves."""
    assert [(seed, wrong) for seed in some for wrong in wrong_prices(seed, target)] == []


@given(models(), seeds)
def test_any_weights_give_a_lower_bound(model, seed):
    """The bound needs no solver: weights drawn at random never prove too much."""
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    region = make_region(BUDGET, size)
    b = random_splits(rng, 200, size)
    scale = float(model.time(b[0])) / BUDGET
    for _ in range(5):
        weights = Weights(
            branch=rng.normal(size=(len(model.input_volume), 2)),
            share=rng.normal(size=model.shapes.shape),
            rows=rng.normal(size=1) * scale,
        )
        assert (lower_bound(model, region, weights).value <= model.time(b) * (1 + 1e-12)).all()


@given(models(), seeds, st.booleans())
def test_the_bound_on_time_times_cost_holds_for_any_weights(model, seed, at_most):
    rng = np.random.default_rng(seed)
    size = model.shapes.shape[1]
    region = make_region(BUDGET, size, at_most=at_most)
    prices = rng.uniform(0, 60, size) * (rng.uniform(size=size) < 0.7)
    b = random_splits(rng, 200, size)
    if not prices.any() or float(model.time(b[0])) == 0:
        return
    if at_most:  # along the whole range of costs, down to the floor
        b = np.maximum(b * 10.0 ** rng.uniform(-6, 0, (200, 1)), FLOOR * BUDGET)
        b = b[b.sum(axis=1) <= BUDGET]
    scale = float(model.time(b[0])) / BUDGET
    weights = Weights(
        rng.normal(size=(len(model.input_volume), 2)),
        rng.normal(size=model.shapes.shape),
        rng.normal(size=2) * scale / np.array([1.0, prices.max()]),
    )
    inner = region.with_row(prices, float(b[0] @ prices), equal=True)
    value, _ = product_bound(lower_bound(model, inner, weights), region, prices, b[0])
    assert (value <= model.time(b) * (b @ prices) * (1 + 1e-12)).all()


_lines = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=12)
_products = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 10)), max_size=6)


@given(_lines, _products, st.floats(0.1, 5))
def test_envelope_finds_the_least_product(lines, products, low):
    def value(costs):
        below = costs * np.max([intercept + slope * costs for intercept, slope in lines], axis=0)
        return np.max([below, *(intercept + slope * costs for intercept, slope in products)], axis=0)

    envelope = Envelope(low, low + 3)
    for intercept, slope in lines:
        envelope.add(Line(intercept, slope))
    for intercept, slope in products:
        envelope.add(Line(*lines[0]), Line(intercept, slope))
    least, where = envelope.least_product()
    assert low <= where <= low + 3
    assert least <= value(np.linspace(low, low + 3, 2001)).min() + 1e-9
    assert least == pytest.approx(float(value(np.array([where]))[0]), abs=1e-9)


@given(st.floats(1, 1e12), st.lists(st.sampled_from([1, 2, 3, 4, 8]), min_size=1, max_size=5))
def test_all_reduce_is_reduce_scatter_and_all_gather(size, groups):
    members = int(np.prod(groups))
    both = np.add(
        traffic(Collective.REDUCE_SCATTER, size, groups), traffic(Collective.ALL_GATHER, size / members, groups)
    )
    assert traffic(Collective.ALL_REDUCE, size, groups) == pytest.approx(both, rel=1e-12)


@settings(max_examples=15)
@given(models(), models())
def test_the_mean_of_two_workloads(one, other):
    size = one.shapes.shape[1]
    if other.shapes.shape[1] != size:
        return
    mean = mean_step([one, other], ["one", "other"])
    prices, region = np.ones(size), make_region(BUDGET, size)
    found, _ = best_split(mean, region, prices, Target.PERF)
    alone = [best_split(model, region, prices, Target.PERF)[0].objective for model in (one, other)]
    assert found.objective >= np.mean(alone) * (1 - 1e-9)
