"""What every study keeps: it can be run again from its own provenance, and its result has every face of a `Result`."""

import csv
import dataclasses
import io
import json
import os

import pytest
from click.testing import CliRunner
from simcore.cli.console import render
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.loading import load
from simcore.outputs import LISTING
from simcore.report import Grid, Headline
from simcore.results import CONTENTS, Result, Table
from simcore.studies.calibrate import calibrate
from simcore.studies.collective import collective
from simcore.studies.evaluate import evaluate
from simcore.studies.iteration import iteration
from simcore.studies.iteration.sweep import sweep
from simcore.studies.kernel import break_even, matmul
from simcore.studies.memory import memory
from simcore.studies.messages import messages
from simcore.studies.model import model
from simcore.studies.optimize import optimize
from simcore.studies.profile import compare, derive, show, validate
from simcore.studies.rates import rates
from simcore.studies.request import Request, argument, descriptions, option, study
from simcore.studies.search import search
from simcore.studies.share import share
from simcore.studies.trace import trace
from simcore.studies.trace.sweep import trace_sweep
from simcore.studies.train import train
from simcore.studies.tune import tune
from simcore.studies.validate import validate as hold

from tests import pages
from tests.unit import test_collective_tables, test_derived, test_measurements

NETWORK = "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"

# study, and what it is called with
CASES = {
    "trace": (trace, {}),
    "trace-rules": (
        trace,
        {"policies": ["fifo", "easyscale-heter"], "rules": "corrected", "idle_gpus": "held", "interval": "event"},
    ),
    "trace-synthetic": (
        trace,
        {"trace": "synthetic:jobs=40,load=0.9", "policies": "fifo", "cluster": "v100-4096", "seed": 3},
    ),
    "trace-elastic": (
        trace,
        {"trace": "synthetic-elastic:jobs=30,load=0.9", "rates": "sc23-measured", "startup_delay": 5},
    ),
    "messages": (messages, {"collective": "all-to-all", "size": "1MiB", "network": NETWORK, "group": "0-3,64,9"}),
    "messages-hashed": (
        messages,
        {"collective": "all-gather", "size": 4096, "network": "Switch(4)@nic=50GB/s x Switch(4)@nic/2", "seed": 3,
         "algorithm": "direct", "routing": "hashed"},
    ),
    "trace-seeds": (
        trace,
        {"trace": "synthetic:jobs=20,load=0.9", "policies": "fifo,srtf", "interval": "event", "seeds": 3},
    ),
    "trace-sweep": (
        trace_sweep,
        {"trace": "sc23", "policies": ["fifo", "easyscale-heter"], "vary": ("load=0.5,1",), "resample": "jobs",
         "seeds": 2},
    ),
    "collective": (collective, {"collective": "all-reduce", "size": "1MiB", "network": NETWORK}),
    "evaluate": (evaluate, {"target": "network-fig12", "small": True}),
    "evaluate-resolve": (evaluate, {"target": "network-fig14", "small": True, "resolve": True}),
    "evaluate-fig15": (evaluate, {"target": "network-fig15", "small": True}),
    "evaluate-simulate": (evaluate, {"target": "network-fig13", "small": True, "engine": "simulate"}),
    "evaluate-table": (evaluate, {"target": "network-table6"}),
    "train": (train, {"network": "3D", "budget": "400", "workload": "175B"}),
    "train-network": (
        train,
        {"network": "Ring(8)@100GB/s x Switch(128)@20GB/s", "budget": None, "workload": "175B", "tp": 4,
         "chunks": 3, "loop": "overlap", "schedule": "themis", "zero": 3},
    ),
    "train-stages": (
        train,
        {"network": "4D", "budget": 325e9, "workload": "1T", "split": "optimal", "stages": 2, "chunks": 2,
         "profile": "h100", "order": "gpipe"},
    ),
    "train-split": (
        train,
        {"network": "2D", "budget": "300", "workload": "17B", "split": (100e9, 200e9), "variant": "evaluation",
         "compute_scale": 0.5, "convention": "astra-sim-2", "schedule": "flex", "recompute": False, "batch": 3},
    ),
    "collective-part": (
        collective,
        {"collective": "all-to-all", "size": 4096, "network": "Ring(8)@100GB/s", "group": "0-3", "chunks": 3},
    ),
    "optimize": (optimize, {"network": "4D", "budget": "325", "workload": "1T"}),
    "optimize-group": (
        optimize,
        {"network": "3D", "budget": 325e9, "workload": "Group", "target": "PerfPerCost", "loop": "overlap",
         "caps": {"Package": 200e9}, "minima": {"1": "20"}, "constraints": "b1 >= b2"},
    ),
    "optimize-profile": (
        optimize,
        {"network": "4D", "budget": "325", "workload": "1T", "loop": "Overlap", "profile": "h100", "tp": 64,
         "at_most": True, "recompute": True, "cost": "sc245"},
    ),
    "kernel": (matmul, {"shape": "4096x4096x4096", "profile": "v100-32gb"}),
    "kernel-sparse": (
        matmul, {"shape": [1024, 512, 1024], "profile": "cpu", "sparsity": 0.9, "granularity": "1x32"}
    ),
    "kernel-extrapolated": (
        matmul,
        {"shape": "4096x4096x8192", "profile": "cpu", "sparsity": 0.3, "granularity": (32, 1), "extrapolate": True},
    ),
    "break-even": (break_even, {"shape": "1024x1024x1024", "granularity": "32x1", "profile": "cpu"}),
    "iteration": (
        iteration,
        {"model": "gpt-1.3b", "gpus": 8, "device": "a100-80gb", "tp": 1, "pp": 2, "global_batch": 64,
         "stragglers": 0.01, "tokens": "1B"},
    ),
    "iteration-simulated": (
        iteration,
        {"model": "llama-2-7b", "gpus": 8, "device": "h100", "tp": 2, "pp": 2, "global_batch": 16, "loop": "simulate",
         "stack": "none"},
    ),
    "sweep": (
        sweep,
        {"model": "gpt-1.3b", "gpus": 16, "device": "h100", "tp": 2, "pp": 1, "global_batch": 64, "sweep": "nic=25,50",
         "cost": "sc245"},
    ),
    "evaluate-megatron": (evaluate, {"target": "megatron-selene"}),
    "memory": (memory, {"model": "llama-2-7b", "gpus": 8, "device": "h100", "tp": 2, "zero": 1}),
    "memory-misfit": (
        memory,
        {"model": "gpt-1.3b", "gpus": 8, "device": "v100-32gb", "precision": "fp16", "tp": 1, "pp": 2,
         "micro_batch": 16, "global_batch": 128, "stage_layers": "10,14"},
    ),
    "search": (search, {"model": "gpt-1.3b", "gpus": 4, "device": "h100", "global_batch": 16}),
    "search-experts": (
        search, {"model": "mixtral-8x7b", "gpus": 16, "device": "h100", "expert_load": 8 * [1.0], "tp": 2, "pp": 2}
    ),
    "search-misfit": (search, {"model": "llama-2-70b", "gpus": 4, "device": "v100-32gb", "precision": "fp16"}),
    "model": (model, {"model": "bert-base"}),
    "model-layers": (model, {"model": "shufflenetv2", "batch": 4, "operators": True}),
    "model-half": (model, {"model": "175B", "sequence": 4096, "causal": "half"}),
    "profile-show": (show, {"files": "cpu"}),
    "profile-show-several": (show, {"files": ["v100-32gb", "h100"]}),
    "profile-compare": (compare, {"files": ("cpu", "v100-16gb", "t4")}),
    "profile-validate": (validate, {"files": "cpu", "stored": True}),
    "profile-validate-several": (validate, {"files": ["cpu", "cpu"], "stored": True}),
    "rates": (
        rates, {"profiles": ["v100-16gb", "t4"], "models": ["bert-base", "electra-base"], "batches": [4, 8]}
    ),
    "rates-fitted": (
        rates,
        {"models": "bert", "devices": ["v100", "t4"], "batches": "published", "fit_to": "sc23-steps",
         "fit_on": "v100"},
    ),
    "rates-named": (
        rates,
        {"profiles": "cpu", "models": "bert-base", "batches": 1, "devices": "here", "names": "bert", "sequence": 128},
    ),
    "collective-zoo": (
        collective,
        {"collective": "all-gather", "size": "3MB", "network": "DGX-like", "schedule": "latency-aware",
         "algorithms": "ring", "in_flight": 2, "convention": "astra-sim"},
    ),
}  # fmt: skip


# the same of studies that read files: those of a page of the documentation, and two of its own
FILE_CASES = {
    "validate": (hold, {"rows": "iterations.csv"}),
    "validate-add": (hold, {"add": "iterations.csv"}),
    "validate-memory": (hold, {"memory": "runs.csv"}),
    "validate-collectives": (hold, {"collectives": "collectives.csv", "source": "me"}),
    "tune": (
        tune,
        {"model": "opt-350m", "gpus": 8, "device": "v100-16gb", "sequence": 1024, "space": "few.yaml", "most": 2},
    ),
    "share": (share, {"jobs": "jobs.yaml", "network": "4D", "budget": "325"}),
    "derive": (derive, {"name": "mid", "sources": ["old.json", "new.json"], "sheet": "sheet.yaml"}),
    "calibrate-table": (calibrate, {"measurements": "table.csv", "device": "t4", "source": "me", "output": "t4.json"}),
    "calibrate-network": (calibrate, {"measurements": "collectives.csv", "network": "dgx-a100", "output": "net.json"}),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files of `FILE_CASES`, as the working directory."""
    folder, before = tmp_path_factory.mktemp("files"), os.getcwd()
    page = (pages.DOCS / "how-to" / "validate.md").read_text(encoding="utf-8")
    texts = {step.name: step.text for step in pages.steps(page) if step.kind == "file"}
    texts["table.csv"] = "\n".join([test_measurements.HEADER, *test_measurements.ROWS]) + "\n"
    rows = test_collective_tables.rows(device="a100_80gb")
    texts["collectives.csv"] = "\n".join([test_collective_tables.HEADER, *rows]) + "\n"
    texts["few.yaml"] = "batch: [8, 16]\nratio: [0, 1]\nparallel: [zero3]\nkernels: [sdpa]\n"
    texts["jobs.yaml"] = (
        "jobs:\n- {workload: 175B, tp: 16, positions: [all, all, all, 0-3]}\n- {workload: 17B, tp: 4}\n"
    )
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    test_derived.write(folder)
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module", params=[*CASES, *FILE_CASES], ids=str)
def ran(request):
    if request.param in FILE_CASES:
        request.getfixturevalue("files")
    study, inputs = (CASES | FILE_CASES)[request.param]
    return study, study(**inputs)


def test_a_result_is_made_again_from_its_own_provenance(ran):
    study, result = ran
    inputs = json.loads(json.dumps(result.provenance.inputs))
    assert list(inputs) == list(descriptions(study.request))
    again = study(**inputs)
    assert again.to_json() == result.to_json()
    assert study.of(study.request(**inputs)).to_json() == result.to_json()


def test_a_result_has_every_face(ran, tmp_path):
    study, result = ran
    assert isinstance(result, Result)
    assert result.provenance.command == study.request.study
    assert json.loads(result.to_json())["provenance"]["inputs"] == json.loads(json.dumps(result.provenance.inputs))
    tables = result.tables()
    assert tables
    assert all(isinstance(table, Table) for table in tables.values())
    assert result.to_pandas().shape == (len(next(iter(tables.values()))), len(next(iter(tables.values())).columns))
    with pytest.raises(InputError, match="nothing-like-it"):
        result.to_pandas("nothing-like-it")
    assert all(isinstance(sentence, str) for sentence in (*result.sentences(), *result.warnings))
    assert result.cpu_seconds >= 0
    report = result.report()
    assert any(isinstance(block, Headline | Grid) for block in report)
    for block in report:
        assert_fits(block, 80)
    html = result._repr_html_()
    assert html.count("<table>") == sum(isinstance(block, Grid) for block in report)
    assert html.count("<h3>") == sum(isinstance(block, Headline) for block in report)


def assert_fits(block, width):
    """No line is wider, and no cell of a table is lost: what rich has no room for it drops."""
    text = render([block], width)
    assert text.strip()
    assert [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1] == []
    if isinstance(block, Grid):
        pairs = [pair for column in block.columns for pair in column.short.items()]
        short = {word for pair in pairs for words in pair for word in words.split()}
        cells = [column.name for column in block.columns] + [cell for row in block.rows for cell in row]
        words = {word for cell in cells for word in cell.split()} - short
        assert words - set(text.split()) == set()


def test_a_result_writes_what_it_is(ran, tmp_path):
    _, result = ran
    result.write(tmp_path / "out")
    files = {f"{result.stem}.json", CONTENTS, *result.inputs(), *(f"{name}.csv" for name in result.tables())}
    files |= {f"{name}.{suffix}" for name in result.figures() for suffix in ("png", "pdf")}
    timeline = result.timeline() if result.keeps_timeline else None
    if timeline is not None:
        files |= {"timeline.json"} | ({"timeline.csv"} if timeline.table is not None else set())
    files.add(LISTING)
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    assert (tmp_path / "out" / f"{result.stem}.json").read_text(encoding="utf-8") == result.to_json()
    for name, table in result.tables().items():
        rows = list(csv.reader(io.StringIO((tmp_path / "out" / f"{name}.csv").read_text(encoding="utf-8"))))
        assert len(rows) == len(table) + 1
    with pytest.raises(InputError):
        result.write(tmp_path / "out")
    result.write(tmp_path / "out", force=True)


def test_a_result_is_read_back_as_it_was_written(ran, tmp_path):
    _, result = ran
    result.write(tmp_path / "out")
    again = load(tmp_path / "out")
    assert again.tables() == result.tables()
    assert again.as_dict() == json.loads(result.to_json())
    assert again.to_json() == result.to_json()
    assert (again.sentences(), again.warnings, again.inputs()) == (result.sentences(), result.warnings, result.inputs())
    assert again.provenance.as_dict() == json.loads(json.dumps(result.provenance.as_dict()))
    assert again.timeline() == (result.timeline() if result.keeps_timeline else None)
    again.write(tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        if not path.name.endswith(".sha256"):
            assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
    for shown in (result, again):
        assert 1 < len(repr(shown).splitlines()) <= 40
        assert "<h3>" in shown._repr_html_() or "<table>" in shown._repr_html_()
        assert all(warning.split()[0] in repr(shown) for warning in shown.warnings[:1])


@pytest.mark.parametrize("made", sorted({study.request for study, _ in CASES.values()}, key=lambda each: each.study))
def test_each_field_is_an_option_or_argument_of_the_command(made):
    words = ["train"] if made.study in {"iteration", "sweep"} else made.study.split()
    text = CliRunner().invoke(main, [*words, "--help"], catch_exceptions=False).stdout
    for name, each in descriptions(made).items():
        if not each.scripts_only:
            shown = each.metavar if each.positional else each.flag or f"--{name.replace('_', '-')}"
            assert (shown or name.upper()).partition("/")[0] in text
        assert each.help
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(made).chunks = 3


class BoilRequest(Request):
    """A kettle."""

    study = "boil"

    water: str = argument(help="What is heated.", metavar="WATER")
    power: float = option(default=2000.0, help="Of the kettle.", unit="W")
    cups: int = option(default=1, help="How many.", least=1)
    kind: str = option(default="tea", help="What for.", choices=("tea", "Coffee"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Boiled(Result):
    stem = "boiled"
    seconds: float

    def tables(self):
        return {"boiled": Table(["seconds"], [[self.seconds]], {"seconds": "s"})}

    def as_dict(self):
        return {"seconds": self.seconds, "provenance": self.provenance.as_dict()}

    def report(self):
        return [Headline(f"{self.provenance.inputs['water']}: {self.seconds:g} s")]


@study(BoilRequest)
def boil(request: BoilRequest, *, told=None) -> Boiled:
    """Boil water."""
    from simcore.results import Provenance

    if told is not None:
        told("boiling")
    seconds = 1e5 * request.cups / request.power
    return Boiled(seconds=seconds, provenance=Provenance(request.study, request.inputs()))


def test_a_field_is_declared_once_and_seen_in_help_run_and_provenance():
    from simcore.cli.options import StudyCommand

    command = StudyCommand("boil", BoilRequest, f"{__name__}:boil", help="Boil water.", example="tap")
    text = CliRunner().invoke(command, ["--help"], catch_exceptions=False).stdout
    assert "--power FLOAT" in text
    assert "[default: 2000.0]" in text
    ran = CliRunner().invoke(command, ["tap", "--power", "1000", "--kind", "coffee", "--json"], catch_exceptions=False)
    document = json.loads(ran.stdout)
    assert document["seconds"] == 100
    assert document["provenance"]["inputs"] == {"water": "tap", "power": 1000.0, "cups": 1, "kind": "Coffee"}
    assert boil(**document["provenance"]["inputs"]).to_json() == ran.stdout
    assert "power : float, default 2000.0\n    Of the kettle. [W]" in boil.__doc__
    assert str(boil.__signature__).startswith("(water: str, *, power: float = 2000.0")


def test_what_a_study_takes_beside_its_request_changes_nothing():
    said = []
    assert boil.of(BoilRequest("tap"), told=said.append).to_json() == boil("tap").to_json()
    assert said == ["boiling"]


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ({"cups": 0}, ["--cups", "0"], "{cups}: found 0, expected a whole number of at least 1."),
        ({"kind": "cofee"}, ["--kind", "cofee"], "{kind}: found 'cofee', expected one of tea, Coffee."),
        ({"power": {"in_memory": "mine"}}, None, "{power}: found 'mine', which was given in memory"),
    ],
)
def test_an_error_names_the_field_in_python_and_the_option_on_the_command_line(inputs, options, message):
    from simcore.cli.options import StudyCommand

    with pytest.raises(InputError) as refused:
        boil("tap", **inputs)
    assert str(refused.value).startswith(message.replace("{", "").replace("}", ""))
    if options is not None:
        command = StudyCommand("boil", BoilRequest, f"{__name__}:boil", help="Boil water.", example="tap")
        refused = CliRunner().invoke(command, ["tap", *options]).exception
        assert str(refused).startswith(message.replace("{", "--").replace("}", ""))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments: found none, expected 1: WATER. For example: simcore boil tap."),
        (["a", "b"], "arguments: found 2 (a b), expected 1: WATER."),
        (["a", "--powr", "3"], "options: found '--powr', expected an option that simcore boil --help lists. Did you"),
    ],
)
def test_arguments_are_counted_and_unknown_options_refused(arguments, message):
    from simcore.cli.options import StudyCommand

    command = StudyCommand("boil", BoilRequest, f"{__name__}:boil", help="Boil water.", example="tap")
    assert str(CliRunner().invoke(command, arguments).exception).startswith(message)
