"""Figures of PIT's models: every way computes the same, is summed up and predicted; no test looks at milliseconds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.models.compute.device import Device  # noqa: E402 - what follows needs torch
from simcore.models.compute.sparse.statistics import Bars, Lengths, Routing, Window, Zeros  # noqa: E402
from simcore.models.training.dynamic import dynamic_cases, dynamic_operators  # noqa: E402
from simcore.models.training.way import Masked, Way  # noqa: E402
from simcore.models.training.ways import as_run  # noqa: E402
from simcore.readers.profiles import read_profile  # noqa: E402
from simcore.real.sparse import pitify  # noqa: E402
from simcore.real.sparse.choice import Choice  # noqa: E402
from simcore.real.sparse.measure import LIBRARIES, Clocked, needed_bytes, peak_bytes, ways  # noqa: E402
from simcore.real.sparse.models import dynamic_inputs, dynamic_model  # noqa: E402
from simcore.real.sparse.pit import DENSE  # noqa: E402
from simcore.real.sparse.products import Kernel  # noqa: E402
from simcore.studies.evaluate import evaluate, pit_models  # noqa: E402
from simcore.studies.evaluate.targets import PIT_MODELS  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from tests.tensors import one_thread  # noqa: E402, F401 - a fixture
from tests.unit.test_pitify import POSITIONS, tiny  # noqa: E402

CASES = {
    8: replace(tiny(8), routing=Routing((20, 5, 1))),
    9: replace(tiny(9), lengths=Lengths.of([9, 3], POSITIONS)),
    10: replace(tiny(10), lengths=Lengths.of([9, 3], POSITIONS)),
    11: replace(tiny(11), pattern=Window(4, 1)),
    12: replace(tiny(12), pattern=Bars(3, (1, 3))),
    13: replace(tiny(13), lengths=Lengths.of([9, 3], POSITIONS)),
    14: replace(tiny(14), weights=Zeros(6, 4, 0.7)),
}
QUICK = Clocked(repeats=3, budget=0.0, compiled=False)
HERE = Device("here", "cpu", 1, 1e9, 0.0, 0.0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)
    monkeypatch.setattr("simcore.studies.evaluate.pit_models.dynamic_cases", lambda figure, small: (CASES[figure],))


@pytest.mark.parametrize("figure", CASES)
def test_every_way_that_runs_computes_what_the_dense_model_does(figure):
    rows = list(ways(CASES[figure], QUICK, HERE))
    assert [row["way"] for row in rows] == ["dense", *LIBRARIES[figure], "pit"]
    ran = [row for row in rows if row["total_seconds"]]
    assert all(row["error"] <= 1e-5 and row["repeats"] >= 3 and row["memory_bytes"] > 0 for row in ran)
    assert all(row["note"] for row in rows if row not in ran)
    assert {"dense", "pit"} <= {row["way"] for row in ran}
    left_out = {11: {"flex"}, 12: {"flex"}, 8: {"grouped"}, 14: {"bsr 32"}}  # these features are no 16 bytes
    assert {row["way"] for row in rows if row not in ran} <= left_out.get(figure, set())


class Called(TorchDispatchMode):
    """Counts the calls of torch's kernels by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("figure", [9, 10, 11, 12, 13])
@pytest.mark.parametrize("way", [Way.DENSE, Way.PIT])
def test_kernels_of_masks_run_as_often_as_the_list_says(figure, way):
    case = replace(CASES[figure], activations=None)
    module, block = dynamic_model(case), 32 if way is Way.PIT else 0
    if way is Way.PIT:
        module = pitify(module)
        module.pit_choose = lambda mask, columns, dtype, axes: Choice(Kernel("k", 32), "") if axes == ("k",) else DENSE
    with Called() as called, torch.no_grad():
        module(*dynamic_inputs(case))
    listed = as_run(dynamic_operators(case), way, Masked(4, case.model.hidden, case.model.causal, block))
    named = Counter(one.kernel for one in listed)
    assert called.counts["masked_fill"] == named["masked_fill"]
    assert called.counts["baddbmm"] == sum(one.path.endswith("fused.hide") for one in listed)
    products = called.counts["bmm"] + called.counts["baddbmm"]
    assert products == sum(one.path.rpartition(".")[0].endswith("fused") and one.kernel == "gemm" for one in listed)
    assert called.counts["index_copy_"] == named["scatter"]


def test_a_way_that_computes_something_else_is_not_timed(monkeypatch):
    monkeypatch.setattr("simcore.real.sparse.pit.by_expert", lambda x, up, down, order, ends: x * 0)
    pit = list(ways(CASES[8], QUICK, HERE))[-1]
    assert pit["total_seconds"] is None
    assert "of the largest value, 1e-05 is allowed" in pit["note"]


def test_a_case_beyond_the_memory_is_refused_by_name():
    large = dynamic_cases(9)[1]
    assert needed_bytes(large) > 100e9  # 30 billion parameters
    (row,) = ways(large, QUICK, HERE)
    assert row["case"] == "OPT-30B"
    assert row["note"].startswith("not measured: it needs 12")
    assert row["note"].endswith("the device has 1 GB")


def test_memory_is_that_of_what_is_alive():
    x = torch.ones(1000)
    assert peak_bytes(lambda: (x + 1) + (x + 2), "cpu") == 3 * 4000
    assert peak_bytes(lambda: [x.view(10, 100) for _ in range(3)], "cpu") == 0


@pytest.mark.parametrize("target", PIT_MODELS.titles)
def test_a_figure_has_its_tables_and_says_what_is_missing(target):
    result = evaluate(target, small=True)
    (row,) = result.tables()["summary"]
    assert row["total"] == pytest.approx(row["pit"] + row["index"])
    assert row["speedup"] == row["dense"] / row["total"]
    assert row["fastest"] in {"dense", "pit", *LIBRARIES[int(target[7:])]}
    said = " ".join(result.notes)
    assert "2:4 sparsity and varlen attention are not there on a CPU" in said
    assert "up to 5.9 times" in said
    assert result.report()
    (figure,) = result.figures().values()
    assert len(figure.axes[0].patches) == 3 - (row["library_seconds"] is None)
    assert figure.axes[0].get_xscale() == "linear"
    assert figure.axes[0].get_xlim()[0] == 0.0  # where bars begin


def test_kernels_are_chosen_by_a_profile_of_the_device_at_hand():
    shipped = read_profile("cpu").value
    here = replace(shipped, name="here", fingerprint={**shipped.fingerprint, "device": "this one"})
    bare = replace(here, name="bare", samples=())
    assert pit_models._own_profile([shipped, bare, here], "this one", "cpu") is here
    assert pit_models._own_profile([bare], "this one", "cpu").name == "cpu"
    assert pit_models._own_profile([bare], "this one", "cuda") is None


def test_other_devices_are_predicted_beside():
    result = evaluate("pit-fig14", small=True, predict=["cpu,v100-32gb"])
    rows = list(result.tables()["predicted"])
    known = [(row["device"], row["way"]) for row in rows if row["total_seconds"]]
    assert [one for one in known if one != ("cpu", "library")] == [
        ("cpu", "dense"), ("cpu", "pit"), ("v100-32gb", "dense"), ("v100-32gb", "pit"),
    ]  # fmt: skip
    why = "v100-32gb has no fp32 fit of csr, csr-convert, csr-turned, which the suite library measures on a CPU"
    assert [row["note"] for row in rows if (row["device"], row["way"]) == ("v100-32gb", "library")] == [why]
    assert f"Not predicted for v100-32gb, library: {why}." in result.notes
    assert [row[0:2] for row in result._foreseen()] == [[rows[0]["case"], "cpu"], [rows[0]["case"], "v100-32gb"]]
    assert evaluate(**result.provenance.inputs).provenance.inputs == result.provenance.inputs
