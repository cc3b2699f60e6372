"""The bandwidth optimiser's parts: constraints as text, conflicts, choice among equals, prices, gains and counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simcore.errors import InputError, RunError
from simcore.models.bandwidth import product_search, time_search
from simcore.models.bandwidth.certificate import lower_bound
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.bandwidth.plan import best_plan, best_split
from simcore.models.bandwidth.product_search import least_time_cost
from simcore.models.bandwidth.region import FLOOR, Sense, cap, make_region, minimum
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.bandwidth.target import Target
from simcore.models.bandwidth.time_search import least_time
from simcore.models.network.collectives import Collective
from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import Groups, map_parallelism
from simcore.models.training.closed_form import compile_step, mean_step
from simcore.models.training.program import CLOSED_FORM_LOOPS, Loop
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.readers.costs import read_costs
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workloads
from simcore.studies.optimize.reasons import reasons

BUDGET = 325e9


def scene(net, name, loop=Loop.NO_OVERLAP):
    network, workloads = read_network(net, "test").value.topology, read_workloads(name, "test").value
    models = [compile_step(w, map_parallelism(network, w.tp, w.dp), loop) for w in workloads]
    model = models[0] if len(models) == 1 else mean_step(models, [w.name for w in workloads])
    return model, np.array(cost_coefficients(network, read_costs("sc245", "test").value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1 = 500", [((1, 0, 0), "=", 500)]),
        ("b1 >= b2 >= b3", [((-1, 1, 0), "<=", 0), ((0, -1, 1), "<=", 0)]),
        (" total<=1e3 ", [((1, 1, 1), "<=", 1000)]),
        ("2*(b1 + b2)/4 - 3 == -b3", [((0.5, 0.5, 1), "=", 3)]),
        ("+b1 <= 3*2", [((1, 0, 0), "<=", 6)]),
    ],
)
def test_constraints_as_text(text, expected):
    found = [(c.coefficients, c.sense.value, c.bound / 1e9) for c in parse_constraint(text, 3, "limit")]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b1*b2 <= 3", "column 3: found a product of bandwidths"),
        ("b1 < 3", "other than =, <= and >="),
        ("b1", "no comparison"),
        ("b1 = b2 = b7", "column 11: found 'b7'"),
        ("1 <= 2", "without a bandwidth"),
        ("b1 - b1 <= 2", "without a bandwidth"),
        ("b1 = 1e999", "beyond all bounds"),
        ("b1 <= 1e308*1e308", "beyond all bounds"),
        ("b1 / b2 <= 1", "division by a bandwidth or by 0"),
        ("b1 / 0 <= 1", "division by a bandwidth or by 0"),
        ("__import__('os').system('true') <= b1", "found '__import__"),
        ("b1 <= True", "'True'"),
        ("b1 is 5", "other than"),
        ("b1 ** 2 <= 4", "b1 ** 2"),
        ("b1 <= 5 GB/s", "column 9: found the unit 'GB/s'"),
        ("b1≥b2", "column 3: found the sign '≥'"),
        ("b1 => b2", "column 4: found the sign '=>'"),
        ("2b1 <= b2", "Write *, as in 2*b1"),
        ("b1 <= (", "column 7: found a text that cannot be read"),
        ("(" * 300 + "b1", "cannot be read"),
        ("b1 <= " + "1+" * 400 + "1", "at most 500"),
        ("", "found an empty text"),
    ],
)
def test_text_that_is_no_linear_constraint(text, message):
    with pytest.raises(InputError) as caught:
        parse_constraint(text, 4, "constraint")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "under"),
    [
        ("b1 >= b9", "b9"),
        ("b1 = b2 = x", "x"),
        (" b1 = (b2) > b3", "> b3"),
        ("(b1 + b2) = 2 != (b3)", "!= (b3)"),
        ("b1*b2 = 3", "*b2 = 3"),
        ("b1 = (b2)*(b3)", "*(b3)"),
        ("b1 / b2 = 3", "b2 = 3"),
        ("b1 = 5 GB/s", "GB/s"),
        ("b1 b2 = 3", "b2 = 3"),
        ("(b1) >= b2 and b3 = 2", "and b3 = 2"),
        ("b1 >= b2, b3 = 2", ", b3 = 2"),
        ("b1 = 2 * (b2", "(b2"),
        ("b1 = b2 +* 3", "* 3"),
        ("b1 >=", ""),
        ("\uff42\uff11 = 2 = b9", "\uff42\uff11 = 2 = b9"),  # full-width letters are letters to Python
    ],
)
def test_a_caret_stands_under_the_fault(text, under):
    with pytest.raises(InputError) as caught:
        parse_constraint(text, 4, "constraint")
    offset = len(text) - len(under)
    assert caught.value.pointer == (text, offset)
    assert caught.value.place == f"constraint, column {offset + 1}"


def test_no_caret_stands_where_no_place_is_at_fault():
    for text in ("b1 + b2", "", "7"):
        with pytest.raises(InputError) as caught:
            parse_constraint(text, 4, "constraint")
        assert (caught.value.pointer, caught.value.place) == (None, f"constraint '{text}'")


def test_conflicts_are_named_without_innocent_bystanders():
    limits = [cap(0, 5e9, 3, "cap 1"), minimum(1, 200e9, 3, "min 2")]
    limits += [cap(2, 9e9, 3, "cap 3"), minimum(1, 1e9, 3, "idle")]
    limits += parse_constraint("b1 + b3 >= 150", 3, "constraint")
    with pytest.raises(InputError) as caught:
        make_region(BUDGET, 3, limits)
    assert caught.value.found == "cap 1 and cap 3 and constraint 'b1 + b3 >= 150', which conflict"
    with pytest.raises(InputError, match="a budget of 325 GB/s and min 1"):
        make_region(BUDGET, 2, [minimum(0, 326e9, 2, "min 1")])
    with pytest.raises(InputError, match="cap 1"):  # against the floor of 1e-6 of the budget alone
        make_region(BUDGET, 2, [cap(0, 0.0, 2, "cap 1")])


def test_limits_on_one_dimension_become_bounds():
    region = make_region(
        BUDGET, 2, [*parse_constraint("2*b1 = 100", 2, "limit"), cap(1, 300e9, 2, "cap")], at_most=True
    )
    assert region.lower.tolist() == [50e9, FLOOR * BUDGET]
    assert region.upper.tolist() == pytest.approx([50e9, 275e9])
    assert len(region.rows) == 1
    assert region.constraints[0].sense is Sense.AT_MOST


def test_among_equal_splits_the_nearest_to_equal():
    """3D, 17B, per cost: dimensions 1 and 2 cost the same, and neither is the bottleneck."""
    model, prices = scene("3D", "17B")
    found, free = best_split(model, make_region(BUDGET, 3), prices, Target.PER_COST)
    assert free == [0, 1]
    assert found.bandwidths[0] == pytest.approx(found.bandwidths[1], rel=1e-9)
    assert found.gap <= 1e-6


def hidden_model():
    """One layer whose data-parallel collective hides behind the tensor-parallel one on another dimension."""
    layer = Layer(
        "hidden", Phase(0.0), Phase(0.0, Collective.ALL_REDUCE, 100e9), Phase(1e-3, Collective.ALL_REDUCE, 1e6)
    )
    return compile_step(Workload("w", (layer,), 2, 64), Groups((2, 1, 1), (1, 8, 8)), Loop.OVERLAP)


def test_among_equal_splits_the_cheapest():
    model, limits = hidden_model(), [cap(0, 100e9, 3, "cap 1")]
    found, free = best_split(model, make_region(BUDGET, 3, limits), np.array([1.0, 5.0, 1.0]), Target.PERF)
    assert free == [1, 2]
    # dimension 2 gets only what keeps its collective hidden: 1e6 x 2 x 7/8 bytes in the 999 ms that are left
    assert found.bandwidths[0] == pytest.approx(100e9)
    assert found.bandwidths[1] == pytest.approx(1.75e6 / (1.0 - 1e-3), rel=1e-6)
    found, free = best_split(model, make_region(BUDGET, 3, limits), np.ones(3), Target.PERF)
    assert found.bandwidths == pytest.approx([100e9, 112.5e9, 112.5e9])
    # a budget that may be left is left, because bandwidth that saves no time still costs
    found, _ = best_split(model, make_region(BUDGET, 3, limits, at_most=True), np.ones(3), Target.PERF)
    assert found.bandwidths[1:].sum() < 1e9


def test_without_communication_the_split_is_equal():
    model = compile_step(Workload("w", (Layer("a", Phase(1.0), Phase(1.0), Phase(1.0)),), 1, 1), Groups((1, 1), (1, 1)))
    plan = best_plan(model, make_region(BUDGET, 2), np.ones(2), Target.PERF)
    assert plan.bandwidths == pytest.approx((BUDGET / 2, BUDGET / 2))
    assert plan.iteration_time == 3.0
    assert plan.relative_gap <= 1e-12


@pytest.mark.parametrize(("net", "name"), [("4D", "1T"), ("3D", "175B"), ("2D", "Group")])
@pytest.mark.parametrize("loop", CLOSED_FORM_LOOPS)
def test_shadow_prices_are_the_slopes_of_the_optimum(net, name, loop):
    model, prices = scene(net, name, loop)
    size = len(prices)
    limit = 60e9

    def solve(budget, bound):
        return least_time(model, make_region(budget, size, [cap(0, bound, size, "cap 1")]), aim=1e-10).objective

    plan = best_plan(model, make_region(BUDGET, size, [cap(0, limit, size, "cap 1")]), prices, Target.PERF)
    found = {price.name: price.per_bandwidth for price in plan.shadow_prices}
    step = 1e-3 * BUDGET
    slope = (solve(BUDGET - step, limit) - solve(BUDGET + step, limit)) / (2 * step)
    assert found["budget"] == pytest.approx(slope, rel=2e-2)
    slope = (solve(BUDGET, limit - step) - solve(BUDGET, limit + step)) / (2 * step)
    assert found["cap 1"] == pytest.approx(slope, rel=2e-2)


def test_prices_where_minima_use_up_the_budget():
    """A dimension held by the others' minima is held by the budget, whose row must carry the price."""
    model, prices = scene("4D", "1T", Loop.OVERLAP)
    limits = [minimum(i, value, 4, f"min {i + 1}") for i, value in enumerate((100e9, 100e9, 100e9, 25e9))]
    plan = best_plan(model, make_region(BUDGET, 4, limits), prices, Target.PERF)
    step = 1e-5 * BUDGET
    more = least_time(model, make_region(BUDGET + step, 4, limits)).objective
    assert plan.shadow_prices[0].per_bandwidth == pytest.approx((plan.iteration_time - more) / step, rel=1e-2)
    # dimension 1 is the bottleneck: 1 GB/s less for it saves nothing, 1 GB/s less for 2 or 3 goes to it
    for i, price in enumerate(plan.shadow_prices[1:]):
        less = [minimum(j, one - step * (i == j), 4, "") for j, one in enumerate((100e9, 100e9, 100e9, 25e9))]
        saved = (plan.iteration_time - least_time(model, make_region(BUDGET, 4, less)).objective) / step
        assert price.per_bandwidth == pytest.approx(saved, rel=1e-2, abs=1e-16)
    assert plan.shadow_prices[0].per_bandwidth == pytest.approx(563.7e-15, rel=1e-3)
    assert [price.per_bandwidth > 0 for price in plan.shadow_prices] == [True, False, True, True, True]


def test_prices_of_limits_that_others_repeat():
    """Loosening one of two caps on a dimension saves nothing while the other stands."""
    model, prices = scene("4D", "1T")
    limits = [cap(3, 20e9, 4, "cap 4"), *parse_constraint("b4 <= 20", 4, "limit")]
    plan = best_plan(model, make_region(BUDGET, 4, limits), prices, Target.PERF)
    assert [price.per_bandwidth for price in plan.shadow_prices[1:]] == [0.0, 0.0]
    alone = best_plan(model, make_region(BUDGET, 4, limits[1:]), prices, Target.PERF)
    assert alone.shadow_prices[1].per_bandwidth > alone.shadow_prices[0].per_bandwidth > 0


def test_prices_at_a_network_cost_that_the_budget_fixes():
    """Where all dimensions cost the same, no larger budget costs as much."""
    model, _ = scene("4D", "1T")
    plan = best_plan(model, make_region(BUDGET, 4, [cap(0, 50e9, 4, "cap 1")]), np.full(4, 1e-6), Target.PER_COST)
    budget, capped, cost = plan.shadow_prices
    assert budget.per_bandwidth is None
    assert capped.per_bandwidth > 0
    assert (cost.per_bandwidth, cost.per_dollar) == (None, None)


def test_price_of_a_budget_with_one_dimension_in_use():
    layer = Layer("one", Phase(0.0), Phase(0.0), Phase(0.0, Collective.ALL_REDUCE, 1e9))
    for groups in (Groups((1,), (8,)), Groups((1, 1), (8, 1))):
        size = len(groups.dp)
        model = compile_step(Workload("w", (layer,), 1, 8), groups)
        plan = best_plan(model, make_region(BUDGET, size), np.ones(size), Target.PERF)
        more = least_time(model, make_region(BUDGET * 1.0001, size)).objective
        slope = (plan.iteration_time - more) / (1e-4 * BUDGET)
        assert plan.shadow_prices[0].per_bandwidth == pytest.approx(slope, rel=1e-2)


def test_price_of_network_cost_balances_time_and_cost():
    """At the least T x C, the last dollar saves T / C seconds."""
    model, prices = scene("4D", "1T")
    plan = best_plan(model, make_region(BUDGET, 4), prices, Target.PER_COST)
    (price,) = [one for one in plan.shadow_prices if one.name == "network cost"]
    assert price.per_dollar == pytest.approx(plan.iteration_time / plan.cost, rel=1e-2)


def test_what_a_smaller_budget_saves_at_a_kink():
    """3D, Group, per cost: at the same cost a larger budget costs 1.29 ms per GB/s, a smaller one saves 1.07 ms."""
    model, prices = scene("3D", "Group")
    plan = best_plan(model, make_region(BUDGET, 3), prices, Target.PER_COST)

    def least(budget):
        return least_time(model, make_region(budget, 3).with_cost(prices, plan.cost)[0], aim=1e-11).objective

    step, budget = 1e-6 * BUDGET, plan.shadow_prices[0]
    assert budget.per_bandwidth == pytest.approx((least(BUDGET) - least(BUDGET + step)) / step, rel=1e-2)
    assert budget.smaller == pytest.approx((least(BUDGET) - least(BUDGET - step)) / step, rel=1e-2)
    assert budget.smaller < 0.9 * -budget.per_bandwidth
    assert any("a smaller one" in reason and "save 1.07 ms per GB/s" in reason for reason in reasons(plan))


def test_gain_is_one_sided():
    model, prices = scene("4D", "1T")
    plan = best_plan(model, make_region(BUDGET, 4), prices, Target.PERF)
    for i, report in enumerate(plan.dimensions[:3]):
        assert report.gain == 0.0
        assert report.ties_with == tuple(j for j in (1, 2, 3) if j != i + 1)
    more = np.add(plan.bandwidths, [0, 0, 0, 1e9])
    assert plan.dimensions[3].ties_with == ()
    assert plan.dimensions[3].gain == pytest.approx(plan.iteration_time - float(model.time(more)), rel=1e-9)


@pytest.mark.parametrize("loop", CLOSED_FORM_LOOPS)
@pytest.mark.parametrize("name", ["17B", "175B", "1T", "Group"])
@pytest.mark.parametrize("net", ["2D", "3D", "4D"])
def test_few_linear_programs_are_enough(net, name, loop):
    model, prices = scene(net, name, loop)
    region = make_region(BUDGET, len(prices))
    fast = least_time(model, region)
    assert fast.gap <= 1e-9
    assert fast.programs <= 15
    dear = least_time_cost(model, region, prices)
    assert dear.gap <= 1e-9
    assert dear.programs <= 60


def test_prices_that_cancel_prove_no_more_than_the_time():
    """Two rows that say the same the other way round, however large their multipliers."""
    model, _ = scene("2D", "1T")
    limits = [*parse_constraint("0.1*b1 >= 0.3*b2", 2, "limit"), *parse_constraint("0.3*b1 <= 0.9*b2", 2, "limit")]
    region = make_region(BUDGET, 2, limits)
    relaxation = Relaxation(model, region)
    b = region.repair(least_time(model, region, 1e-12, relaxation).bandwidths)
    time, (_, weights) = float(model.time(b)), relaxation.solve(region, b)
    for factor in 10.0 ** np.random.default_rng(0).uniform(0, 8, 5000):
        opposed = weights.rows + factor * time / BUDGET * np.array([0.0, 3.0, 1.0])
        assert lower_bound(model, region, replace(weights, rows=opposed)).value <= time


def test_distinct_layers_do_not_cost_programs():
    rng = np.random.default_rng(5)

    def phase():
        return Phase(float(rng.uniform(0, 1e-3)), Collective.ALL_REDUCE, float(rng.integers(1e3, 1e7)))

    layers = tuple(Layer(f"{i}", phase(), phase(), phase()) for i in range(128))
    groups = Groups((4, 4, 4, 1, 1, 1), (1, 1, 1, 4, 4, 4))
    found = least_time(compile_step(Workload("deep", layers, 64, 64), groups, Loop.OVERLAP), make_region(BUDGET, 6))
    assert found.gap <= 1e-9
    assert found.programs <= 15


def test_a_budget_that_may_be_left_is_left_down_to_the_floor():
    model, prices = scene("4D", "17B")
    found = least_time_cost(model, make_region(BUDGET, 4, at_most=True), prices)
    assert found.gap <= 1e-6
    assert found.programs <= 60
    assert found.bandwidths.min() == pytest.approx(FLOOR * BUDGET, rel=1e-4)
    assert found.bandwidths.sum() < 1e-3 * BUDGET
    fixed = least_time_cost(model, make_region(BUDGET, 4), prices)
    assert found.objective < fixed.objective


def test_searches_that_do_not_converge_say_so(monkeypatch):
    model, prices = scene("4D", "1T")
    monkeypatch.setattr(time_search, "_ROUNDS", 1)
    with pytest.raises(RunError, match="did not converge"):
        least_time(model, make_region(BUDGET, 4))
    monkeypatch.setattr(product_search, "_STALLED", 0)
    monkeypatch.setattr(product_search, "_PROGRAMS", 3)
    with pytest.raises(RunError, match="did not converge"):
        least_time_cost(model, make_region(BUDGET, 4), prices)


def flat_model(compute=0.0):
    """One all-reduce in groups of 4 x 2: without compute, time x cost is the same at every scale."""
    layer = Layer("one", Phase(compute), Phase(0.0), Phase(0.0, Collective.ALL_REDUCE, 8e9))
    return compile_step(Workload("w", (layer,), 1, 8), Groups((1, 1), (4, 2)))


@pytest.mark.parametrize("least", [None, 3e9])
def test_among_equal_products_the_cheapest_network(least):
    """With bandwidth 6 : 1 both dimensions are busy all the time, at any scale down to the floor or a minimum."""
    limits = [] if least is None else [minimum(1, least, 2, "min 2")]
    region, prices = make_region(BUDGET, 2, limits, at_most=True), np.array([1.0, 5.0]) * 1e-6
    found, _ = best_split(flat_model(), region, prices, Target.PER_COST)
    smallest = (least or FLOOR * BUDGET) * np.array([6.0, 1.0])
    assert found.bandwidths == pytest.approx(smallest, rel=1e-3)
    assert found.gap <= 3e-9
    assert found.equals
    plan = best_plan(flat_model(), region, prices, Target.PER_COST)
    assert any("the cheapest is given" in reason for reason in reasons(plan))


def test_networks_that_only_compute_tells_apart_are_no_tie():
    """Compute costs less on a smaller network, so the smallest is alone; and a budget to be spent leaves one cost."""
    prices = np.array([1.0, 5.0]) * 1e-6
    for model, at_most in ((flat_model(1.0), True), (flat_model(), False)):
        found, _ = best_split(model, make_region(BUDGET, 2, at_most=at_most), prices, Target.PER_COST)
        assert not found.equals


def test_cheap_dimensions_that_are_capped():
    """What a capped dimension cannot take goes to the next in price: still certified without a scan."""
    model, prices = scene("4D", "175B")
    for limits in ([cap(0, 50e9, 4, "cap 1")], [cap(0, 20e9, 4, "cap 1"), cap(1, 30e9, 4, "cap 2")]):
        found = least_time_cost(model, make_region(BUDGET, 4, limits), prices)
        assert found.gap <= 1e-9
        assert found.programs <= 40
