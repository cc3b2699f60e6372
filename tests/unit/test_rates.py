"""Step times of models on GPU types: whose profile, which batch sizes, what is fitted beside kernels, and the names."""

from __future__ import annotations

import csv

import pytest
import simcore
from simcore.errors import InputError
from simcore.models.cluster.step_times import StepTimes
from simcore.models.training.remainder import Form, Remainder, fit_remainder, fitted, likely_form
from simcore.readers import zoo
from simcore.readers.applications import read_applications, read_batch_sizes
from simcore.readers.clusters import read_cluster
from simcore.readers.step_times import read_step_times
from simcore.studies.rates import rates
from simcore.traces.sources import read_trace

from tests.unit.test_profile_seam import toy

CALLED = {"ShuffleNetv2": "shufflenetv2", "ResNet50": "resnet50", "VGG19": "vgg19", "YOLOv3": "yolov3", "NeuMF": "ncf",
          "Bert": "bert", "Electra": "electra", "SwinTransformer": "swintransformer"}  # fmt: skip


def test_a_gpu_type_has_the_measured_profile_of_its_name():
    ours = rates(models="bert", devices=["v100", "p100", "t4"], batches=8)
    named = ["v100-pcie-32gb", "p100-pcie-16gb", "t4"]
    assert (
        ours.rates.seconds
        == rates(models="bert", profiles=named, devices=["v100", "p100", "t4"], batches=8).rates.seconds
    )
    assert all(simcore.readers.read_profile(name).value.sha256 in ours.rates.note for name in named)
    with pytest.raises(InputError, match=r"devices: found 'v10', .*Did you mean 'v100'"):
        rates(models="bert", devices="v10", batches=8)


def test_a_name_of_the_zoo_wins_over_another_name_of_an_entry():
    aliases = zoo._aliases()
    assert {kind for kind, _ in aliases} <= set(zoo.kinds())
    for (kind, other), name in aliases.items():
        assert name in zoo.names(kind)
        assert other not in zoo.names(kind)
        assert zoo.find(kind, other.upper(), "x") == zoo.find(kind, name, "x")


def test_published_batch_sizes_hold_all_that_the_trace_needs():
    sizes = read_batch_sizes("easyscale-sc23").value
    assert sizes.keys() == read_applications("easyscale-sc23").value.keys()
    trace = read_trace("sc23", cluster=read_cluster("sc23").value).value
    assert all(job.batch_size in sizes[job.model] for job in trace.classes)
    steps = read_step_times("sc23-steps").value
    assert all(batch in sizes[model] for model, batch, _ in steps.seconds)
    made = rates(models=["electra", "bert"], devices="t4", batches="published").rates
    assert list(made.seconds) == [(model, batch, "t4") for model in ("electra", "bert") for batch in (4, 8, 16)]
    renamed = rates(models="bert-base", names="bert", devices="t4", batches="published").rates
    assert renamed.batch_sizes("bert") == [4, 8, 16]
    with pytest.raises(InputError, match=r"field 'batch_sizes': found no batch size of '17B'.*Give .* batches 8,16"):
        rates(models=["bert", "17B"], devices="t4", batches="published")
    with pytest.raises(InputError, match=r"batches: found 'published', expected whole numbers"):
        rates(models="bert", devices="t4", batches=[8, "published"])


def test_published_steps_are_those_of_the_artifact(shared):
    ours = read_step_times("sc23-steps").value
    assert ours.kinds == ("measured",)
    with (shared / "data/easyscale/determinism_overhead.csv").open(encoding="utf-8") as file:
        d1 = {
            (CALLED[row["model"]], int(row["batch_size"]), row["gpu"]): float(row["d1_s"])
            for row in csv.DictReader(file)
        }
    with (shared / "data/easyscale/est_overhead_v100.csv").open(encoding="utf-8") as file:
        switching = {
            (row["model"], int(row["batch_size"]), "v100"): float(row["cs_enabled_s"]) for row in csv.DictReader(file)
        }
    assert len(d1) == 24
    assert ours.seconds == switching | d1  # yolov3 at 8 is in both


@pytest.mark.parametrize("form", list(Form))
def test_the_constant_is_the_least_square_of_relative_errors(form):
    steps = [(1.0, 2.0), (3.0, 5.0)]
    best = fitted(form, steps)

    def missed(value):
        return sum((Remainder(form, value).step(k) / t - 1) ** 2 for k, t in steps)

    by_hand = {Form.SECONDS: (1 / 4 + 2 / 25) / (1 / 4 + 1 / 25), Form.FACTOR: (1 / 2 + 3 / 5) / (1 / 4 + 9 / 25)}
    assert best.value == pytest.approx(by_hand[form])
    assert missed(best.value) < min(missed(best.value - 1e-3), missed(best.value + 1e-3))
    assert fitted(form, [(2.0, 1.0)]).step(2.0) == 2.0  # nothing gives time back


def test_the_form_is_the_one_that_predicts_what_it_was_not_fitted_to():
    """Kernels of 1 and 2 s: steps of 3 and 4.1 s are 2 s more, steps of 3 and 5.9 s three times as long."""
    assert fit_remainder([(1.0, 3.0), (2.0, 4.1)]).form is Form.SECONDS
    assert fit_remainder([(1.0, 3.0), (2.0, 5.9)]).form is Form.FACTOR
    assert fit_remainder([(1.0, 3.0)]) == Remainder(Form.SECONDS, 2.0)
    assert fit_remainder([(1.0, 3.0)], Form.FACTOR) == Remainder(Form.FACTOR, 3.0)
    assert fit_remainder([(2.0, 1.0), (4.0, 1.0)]) == Remainder(Form.SECONDS, 0.0)
    scaled, added, single = [(1.0, 3.0), (2.0, 5.9)], [(1.0, 3.0), (2.0, 4.0)], [(1.0, 2.0)]
    assert likely_form([scaled, single]) is Form.FACTOR
    assert likely_form([added, scaled, added, single]) is Form.SECONDS
    assert [likely_form([single], form) for form in Form] == list(Form)


def test_a_constant_is_fitted_where_it_was_asked_for_and_said_to_be():
    """Steps that are kernels and 1 s: the constant is 1 s, on other devices and at other batch sizes too."""
    profiles = {"a": toy(), "b": toy(gemm=2.0)}
    inputs = {"models": "bert-base", "names": "bert", "profiles": list(profiles.values()), "devices": list(profiles)}
    alone = rates(**inputs, batches=[4, 8]).rates
    measured = StepTimes(
        "mine", {key: seconds + 1 for key, seconds in alone.seconds.items() if key != ("bert", 4, "a")}
    )
    made = rates(**inputs, batches=4, fit_to=measured, fit_on="a")
    assert made.rates.seconds["bert", 4, "b"] == pytest.approx(alone.seconds["bert", 4, "b"] + 1, rel=1e-12)
    (one,) = made.fitted
    assert (one.model, one.steps, one.source, one.remainder.form) == ("bert", ((8, "a"),), "mine", Form.SECONDS)
    assert made.rates.kinds == ("predicted+fitted",)
    assert alone.kinds == ("predicted",)
    assert "# beside kernels: bert 1 s a step, fitted to mine, batch 8 on a\n" in made.to_csv()
    assert "one constant per model, fitted to the steps of mine on a" in made.rates.note
    assert made.as_dict()["fitted"][0]["fitted_to"] == "batch 8 on a"
    for more, message in (
        ({"fit_on": "c"}, r"fit_on: found 'c', expected one of a, b"),
        ({"fit_on": "a", "models": "electra-base", "names": "electra"}, r"mine: found no step of 'electra' on a"),
    ):
        with pytest.raises(InputError, match=message):
            rates(**{**inputs, "batches": 4, "fit_to": measured} | more)
    with pytest.raises(InputError, match=r"fit_on: found a, expected measured steps to fit to. Give fit_to too"):
        rates(**inputs, batches=4, fit_on="a")


def test_a_factor_scales_with_the_device():
    profiles = [toy(), toy(gemm=2.0)]
    inputs = {"models": "bert-base", "profiles": profiles, "devices": ["a", "b"], "batches": [4, 8]}
    alone = rates(**inputs).rates.seconds
    longer = StepTimes("longer", {key: 3 * seconds for key, seconds in alone.items() if key[2] == "a"})
    made = rates(**inputs, fit_to=longer, fit_on="a")
    assert made.fitted[0].remainder.form is Form.FACTOR
    assert made.rates.seconds == pytest.approx({key: 3 * seconds for key, seconds in alone.items()})


def test_the_bundled_table_is_what_its_command_makes():
    """Where a profile has changed, the command of docs/reference/rates-format.md makes it anew."""
    models = list(CALLED.values())
    made = rates(models=models, devices=["v100", "p100", "t4"], batches="published", fit_to="sc23-steps", fit_on="v100")
    bundled = read_step_times("sc23-kernels").value
    assert bundled.note == made.rates.note
    assert bundled.kinds == made.rates.kinds
    assert bundled.seconds == pytest.approx(made.rates.seconds, rel=1e-9)


def test_a_trace_finds_models_under_the_names_of_the_zoo():
    ours = read_step_times("sc23-measured").value
    called = {"ncf": "neumf", "swintransformer": "swin-t"}
    theirs = StepTimes("zoo", {(called.get(model, model), *rest): s for (model, *rest), s in ours.seconds.items()})
    assert "neumf" in theirs.models
    tables = [simcore.trace(rates=table, policies=["fifo", "easyscale-homo"]).table for table in (ours, theirs)]
    assert tables[0].column("mean_jct_s") == tables[1].column("mean_jct_s")
    lacking = StepTimes("lacking", {key: s for key, s in theirs.seconds.items() if key[0] != "neumf"})
    with pytest.raises(InputError, match=r"field 'model': found 'ncf', expected one of bert"):
        simcore.trace(rates=lacking)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "models: found nothing"),
        ({"models": "bert"}, "batches: found nothing"),
        ({"models": "bert", "batches": 8}, r"devices: found nothing.*such as v100,p100,t4, or profiles"),
        ({"models": ["bert", "bert"], "batches": 8, "devices": "t4"}, "bert twice.*Name them apart with names"),
        ({"models": "bert", "batches": 8, "devices": ["t4", "t4"]}, "t4 twice"),
        ({"models": "bert", "batches": 8, "devices": ["a", "b"], "profiles": "t4"}, "2 names, expected 1, one each"),
        ({"models": "bert", "batches": 8, "devices": "t4", "fit_to": "sc24"}, "fit_to: found 'sc24'"),
    ],
)
def test_what_is_missing_or_there_twice_is_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        rates(**inputs)
