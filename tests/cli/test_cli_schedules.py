"""Schedules from outside the package, as a user runs them: a class in a file, an installed package."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from simcore.cli.main import run
from simcore.errors import InputError
from simcore.network import ChunkPlan, Scheduler
from simcore.studies.collective import collective
from simcore.studies.train import train

NETWORK = "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
MINE = '''
from simcore.network import ChunkPlan, Scheduler


class Inwards(Scheduler):
    """All chunks start in the outermost dimension."""

    name = "inwards"

    def plan(self, view):
        return [ChunkPlan(size, view.default_order[::-1]) for size in view.equal_chunks()]


class Once(Scheduler):
    """Remembers what it planned, for one network."""

    def __init__(self):
        self.calls = 0

    def plan(self, view):
        self.calls += 1
        return [ChunkPlan(view.size, view.default_order)] * (1 if self.calls == 1 else 2)


class Broken(Scheduler):
    def plan(self, view):
        return 1 / 0


class Half(Scheduler):
    def plan(self, view):
        return [ChunkPlan(view.size / 2, view.default_order)]


class Far(Scheduler):
    def plan(self, view):
        return view.seconds(ChunkPlan(view.size, (9,)))


class Picky(Scheduler):
    def __init__(self, options):
        self.options = options

    def plan(self, view):
        return []


class Mute(Scheduler):
    pass


class Stranger:
    def plan(self, view):
        return []
'''


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def cli(*args):
    with pytest.raises(SystemExit) as stop:
        run(list(args))
    return stop.value.code


def of_collective(schedule, *more):
    return cli("collective", "all-reduce", "64MiB", "--network", NETWORK, "--schedule", schedule, *more)


def of_train(schedule, *more):
    return cli("train", "4D", "325", "17B", "--chunks", "4", "--schedule", schedule, *more)


def printed(capsys, status=0):
    assert status == 0
    return capsys.readouterr().out


def test_a_class_in_a_file_runs_a_collective(capsys, folder):
    document = json.loads(printed(capsys, of_collective("mine.py:Inwards", "--json")))
    assert document["provenance"]["inputs"]["schedule"] == "mine.py:Inwards"
    digest = hashlib.sha256((folder / "mine.py").read_bytes()).hexdigest()
    assert document["provenance"]["sha256"] == {"schedule": digest}
    ascending = json.loads(printed(capsys, of_collective("ascending", "--json")))
    assert document["time"] > 2 * ascending["time"]  # the switch has a quarter of the bandwidth and sees all bytes
    assert "128 NPUs, inwards, 2 chunks (auto" in printed(capsys, of_collective("mine.py:Inwards"))
    again = collective(**document["provenance"]["inputs"])
    assert json.loads(again.to_json()) == document


def test_a_class_in_a_file_runs_an_iteration(capsys, folder):
    document = json.loads(printed(capsys, of_train("mine.py:Inwards", "--json")))
    assert document["schedule"] == "inwards"
    assert document["provenance"]["inputs"]["schedule"] == "mine.py:Inwards"
    assert document["provenance"]["sha256"]["schedule"] == hashlib.sha256(MINE.encode()).hexdigest()
    ascending = json.loads(printed(capsys, of_train("ascending", "--json")))
    assert document["iteration_time"] > ascending["iteration_time"]
    assert json.loads(train(**document["provenance"]["inputs"]).to_json()) == document
    assert "4 chunks, inwards, physical" in " ".join(printed(capsys, of_train("mine.py:Inwards")).split())
    text = printed(capsys, of_train("mine.py:Inwards", "--convention", "astra-sim-2"))
    assert "4 chunks, ascending in place of inwards, astra-sim-2" in " ".join(text.split())


def test_an_installed_package(capsys, folder, monkeypatch):
    site = folder / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine_schedules.py").write_text(MINE)
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (site / "mine-1.0.dist-info" / "entry_points.txt").write_text(
        "[simcore.schedulers]\ninwards = mine_schedules:Inwards\nascending = mine_schedules:Broken\n"
    )
    monkeypatch.syspath_prepend(site)
    assert "128 NPUs, inwards, 2 chunks (auto" in printed(capsys, of_collective("inwards"))
    assert "128 NPUs, ascending, 4 chunks (auto" in printed(capsys, of_collective("ascending"))  # its own come first
    assert of_collective("inward") == 2
    error = capsys.readouterr().err
    assert "expected one of ascending, round-robin, themis, flex, latency-aware, inwards. Did you mean" in error


@pytest.mark.parametrize("command", [of_collective, of_train])
@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("themi", "found 'themi', expected one of ascending, round-robin, themis, flex, latency-aware. Did you mean"),
        ("", "found an empty name"),
        ("other.py:Inwards", "found 'other.py', which is no file, expected FILE.py:NAME."),
        ("mine.py", "found 'mine.py', a file alone, expected FILE.py:NAME."),
        ("mine.py:Stranger", "'mine.py:Stranger', which is no schedule, expected a class derived from simcore.network"),
        ("mine.py:Mute", "'mine.py:Mute', which is no schedule"),
    ],
)
def test_what_is_refused(capsys, command, schedule, message):
    assert command(schedule) == 2
    error = capsys.readouterr().err
    assert re.match(r"simcore: error: --schedule.*: found .+, expected .+\n\Z", error)
    assert message in error


def test_a_schedule_that_fails_is_no_bug_of_simcore(capsys):
    assert of_collective("mine.py:Broken") == 1
    line = 1 + MINE.splitlines().index("        return 1 / 0")
    assert capsys.readouterr().err == (
        f"simcore: error: the schedule Broken failed in mine.py, line {line}: ZeroDivisionError: division by zero\n"
    )
    assert of_collective("mine.py:Far") == 1
    line = 1 + MINE.splitlines().index("        return view.seconds(ChunkPlan(view.size, (9,)))")
    assert f"the schedule Far failed in mine.py, line {line}: IndexError" in capsys.readouterr().err
    assert of_collective("mine.py:Picky") == 1
    assert "the schedule Picky failed in" in capsys.readouterr().err
    assert of_train("mine.py:Half") == 1
    assert "the schedule Half gives chunks of" in capsys.readouterr().err


def test_python_takes_a_class_and_gives_each_network_an_object_of_its_own(folder):
    class Mine(Scheduler):
        def plan(self, view):
            return [ChunkPlan(view.size, view.default_order)]

    result = collective("all-reduce", "1MiB", network=NETWORK, schedule=Mine)
    assert "Mine, 1 chunk" in str(result.report()[0])
    assert result.provenance.inputs["schedule"] == {"in_memory": "Mine"}
    assert result.time == collective("all-reduce", "1MiB", network=NETWORK, chunks=1).time
    once = [collective("all-reduce", "1MiB", network=NETWORK, schedule="mine.py:Once").time for _ in range(2)]
    assert once == [result.time] * 2


def test_a_class_in_memory_is_to_be_given_again():
    class Mine(Scheduler):
        def plan(self, view):
            return [ChunkPlan(view.size, view.default_order)]

    inputs = collective("all-reduce", "1MiB", network=NETWORK, schedule=Mine).provenance.inputs
    with pytest.raises(InputError, match="schedule: found 'Mine', which was given in memory, expected the object"):
        collective(**inputs)
    assert collective(**inputs | {"schedule": Mine}).time > 0


@pytest.mark.parametrize("command", ["collective", "train"])
def test_the_help_says_what_a_schedule_may_be_beside_the_names(capsys, command):
    text = " ".join(printed(capsys, cli(command, "--help")).split()).replace("- ", "-")  # lines end at hyphens
    assert "ascending, round-robin, themis, flex, latency-aware, or FILE.py:CLASS. [default: ascending]" in text


def test_names_are_taken_in_any_case(capsys):
    assert "128 NPUs, themis, 8 chunks (auto" in printed(capsys, of_collective("Themis"))


def test_the_example_is_the_one_of_the_how_to():
    root = Path(__file__).resolve().parents[2]
    example = (root / "docs" / "examples" / "own_schedule.py").read_text(encoding="utf-8")
    page = (root / "docs" / "how-to" / "collective.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python my_schedule.py\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert block[block.index("class FewerChunks") :].strip() in example
