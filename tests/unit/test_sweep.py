"""Sweeps of one input of a training iteration: values, gains, advice, prices, refusals, and the NIC that is swept."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.studies.iteration.run import iteration
from simcore.studies.iteration.sweep.inputs import numeric_fields
from simcore.studies.iteration.sweep.outcome import WORTH
from simcore.studies.iteration.sweep.run import sweep

from tests import pages

MODEL = {"model": "gpt-1.3b", "gpus": 32, "device": "h100", "tp": 8, "pp": 1, "micro_batch": 1, "global_batch": 64,
         "recompute": "none"}  # fmt: skip
TREE = """\
ports: {nic: 50 GB/s}
dimensions:
  - {block: Switch, size: 8, level: Node, latency: 1.7 us, bandwidth: 450 GB/s}
  - {block: Switch, size: 2, level: Pod, latency: 7 us, port: nic}
  - {block: Switch, size: nodes, level: Pod, latency: 7 us, port: nic, oversubscription: 2}
"""
JOB = "llama-2-70b --gpus 2048 --device h100 --tp 8 --global-batch 2048 --sweep nic=25,50,100,200"


def test_a_row_is_what_train_says_of_its_value() -> None:
    """Times and rates are those of single predictions, gains those of tokens per second."""
    swept = sweep(**MODEL, sweep="nic=12.5,25,50")
    alone = [iteration(**MODEL, nic=f"{nic} GB/s") for nic in (12.5, 25, 50)]
    assert [point.time for point in swept.points] == [one.time for one in alone]
    assert swept.points[2].time == iteration(**MODEL).time  # what dgx-h100 has
    assert swept.points[0].time > swept.points[1].time > swept.points[2].time
    assert swept.gains[0] is None
    assert swept.gains[1] == pytest.approx(alone[0].time / alone[1].time - 1)
    first = alone[0].evaluation.parts
    assert swept.points[0].exposed == pytest.approx(first["tensor-parallel"] + first["data-parallel"])


def test_the_nic_is_all_that_changes() -> None:
    """Of two levels behind one NIC both are widened; of a network in one node there is none."""
    machine = iteration(**MODEL, nic=100e9).deployment.evaluator.machine
    assert machine.bandwidths == (450e9, 100e9)
    assert iteration(**MODEL, nic="100 GB/s").time == iteration(**MODEL, nic="100").time
    with pytest.raises(InputError, match="which are one node"):
        iteration(**{**MODEL, "gpus": 8}, nic="50")
    one_level = iteration("gpt-1.3b", gpus=8, device="gh200-96gb", tp=1, pp=1, global_batch=8, nic="50")
    assert one_level.deployment.evaluator.machine.bandwidths == (50e9,)


def test_a_tree_keeps_its_oversubscription(tmp_path: Path) -> None:
    """A port of 100 GB/s has levels of 100 and 50; two levels with NICs of their own are refused."""
    path = tmp_path / "tree.yaml"
    path.write_text(TREE)
    machine = iteration(**MODEL, network=path, nic="100").deployment.evaluator.machine
    assert machine.bandwidths == (450e9, 100e9, 50e9)
    assert {each.port.bandwidth for each in machine.topology.dimensions if each.port} == {100e9}
    apart = TREE.replace("ports: {nic: 50 GB/s}\n", "").replace(", oversubscription: 2", "")
    path.write_text(apart.replace("port: nic", "bandwidth: 50 GB/s"))
    with pytest.raises(InputError, match="several behind one port"):
        iteration(**MODEL, network=path, nic="100")


def test_a_stack_slows_a_port_as_it_slows_links(tmp_path: Path) -> None:
    """A stack that reaches a share of the network takes it of ports too: sums cross two levels in turn."""
    path = tmp_path / "tree.yaml"
    path.write_text(TREE)
    without, usual = (iteration(**MODEL, network=path, stack=stack) for stack in ("none", "usual"))
    reached = usual.deployment.evaluator.machine.stack
    assert reached is not None
    layout = usual.evaluation.layout
    loads = [one.deployment.evaluator.placement(layout).loads for one in (without, usual)]
    key = Collective.ALL_REDUCE, Axis.DATA
    fast, slow = (each(*key) for each in loads)
    assert len(fast) == 4
    assert slow == pytest.approx([seconds / reached.network for seconds in fast])


def test_any_numeric_option_is_swept() -> None:
    """By its flag's name, with hyphens or underscores, in any case."""
    assert {"nic", "gpus", "tp", "micro_batch", "global_batch", "sequence", "zero"} <= set(numeric_fields())
    assert not {"model", "device", "tokens", "chunks", "fsdp", "overlap", "precision"} & set(numeric_fields())
    free = {name: value for name, value in MODEL.items() if name != "micro_batch"}
    for text in ("micro-batch=1,2", "Micro_Batch=1,2", "--micro-batch=1, 2"):
        assert [point.value for point in sweep(**free, sweep=text).points] == [1, 2]
    open_gpus = {name: value for name, value in MODEL.items() if name != "gpus"}
    by_gpus = sweep(**open_gpus, sweep="gpus=16,32,64")
    assert [point.result.evaluation.layout.dp for point in by_gpus.points] == [2, 4, 8]
    assert by_gpus.last_worth == 2


@pytest.mark.parametrize(("text", "message"), [
    ("nik=25,50", "expected one of .*nic.*Did you mean 'nic'"),
    ("model=a,b", "expected one of .*gpus"),
    ("nic", "a field, = and its values"),
    ("", "a field, = and its values"),
    ("nic=25", "2 to 64 values"),
    ("nic=25,25", "25 twice"),
    ("nic=25,-50", "above 0"),
    ("nic=25,fast", "a bandwidth"),
    ("tp=4,8", "tp.* 8 beside it"),
    ("cp=1,2.5", "a whole number"),
    ("cp=0,1", "at least 1"),
    ("cp=1,3", "sweep cp=3, .*8 x 3"),
])  # fmt: skip
def test_what_cannot_be_swept_is_refused(text: str, message: str) -> None:
    """Naming what may be."""
    with pytest.raises(InputError, match=message):
        sweep(**MODEL, sweep=text)


def test_the_advice_names_the_last_step_that_gains() -> None:
    """By hand from the gains: a narrow network first, one that is wide enough in the end."""
    swept = sweep(**MODEL, sweep="nic=1,2,400,800", cost="sc245")
    gains = [gain or 0.0 for gain in swept.gains]
    assert gains[1] > WORTH
    assert gains[2] > WORTH > gains[3]
    assert swept.last_worth == 2
    said = swept.sentences()
    assert any(each.startswith("Buy NICs of 400 GB/s: the step to it gains") for each in said)
    assert any("The next one, 800 GB/s, brings" in each for each in said)
    assert said[0].startswith("From 1 GB/s to 2 GB/s: ")
    flat = sweep(**MODEL, sweep="nic=400,800")
    assert "No step gains 5% and fits, so that NICs of 400 GB/s will do." in flat.sentences()


def test_prices_are_those_of_the_network() -> None:
    """32 GPUs: links and switches of nodes at $17 per GB/s, and $57.4 per GB/s between them."""
    swept = sweep(**MODEL, sweep="nic=25,50", cost="sc245")
    assert [point.cost for point in swept.points] == pytest.approx([32 * (17 * 450 + 57.4 * nic) for nic in (25, 50)])
    assert "costs $45,920 more" in " ".join(swept.sentences())


def test_levels_behind_one_port_pay_for_one_nic(tmp_path: Path) -> None:
    """Links and switches of both levels, and a NIC of 50 GB/s."""
    path = tmp_path / "tree.yaml"
    path.write_text(TREE)
    swept = sweep(**MODEL, network=path, sweep="nic=50,100", cost="sc245")
    by_hand = 32 * (17 * 450 + 25.8 * (50 + 25) + 31.6 * 50)
    assert swept.points[0].cost == pytest.approx(by_hand)


def test_misfits_are_marked() -> None:
    """A value that is out of memory is a result, and never what is advised."""
    swept = sweep("llama-2-70b", gpus=64, device="h100", pp=1, micro_batch=1, global_batch=64, recompute="full",
                  zero=0, sweep="tp=4,8")  # fmt: skip
    assert not swept.points[0].result.fits
    assert any(each.startswith("Out of memory at") for each in swept.sentences())


def test_the_command_writes_table_json_and_figure(tmp_path: Path) -> None:
    """The job of the page: table, CSV, JSON and figure of one command."""
    folder = tmp_path / "nics"
    done = CliRunner().invoke(main, ["train", *JOB.split(), "-o", str(folder)])
    assert done.exit_code == 0, done.output
    assert "NIC per GPU" in done.output
    for name in ("sweep.csv", "parts.csv", "sweep.json", "sweep.png", "sweep.pdf"):
        assert (folder / name).stat().st_size > 0
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nic_B_per_s"]) for row in rows] == [25e9, 50e9, 100e9, 200e9]
    times = [float(row["time_s"]) for row in rows]
    assert times == sorted(times, reverse=True)
    document = json.loads((folder / "sweep.json").read_text())
    assert [point["time"] for point in document["points"]] == times
    assert document["field"] == "nic"
    again = sweep(**document["provenance"]["inputs"])
    assert again.as_dict()["points"] == document["points"]


def test_the_command_refuses_what_is_no_sweep() -> None:
    """A wrong field with those that there are; a price or a timeline that has no meaning."""
    for arguments, message in (
        (JOB.replace("nic=", "nick="), "global-batch"),
        (JOB.replace("--sweep nic=25,50,100,200", "--cost sc245"), "a field, = and its values"),
        (f"{JOB} --timeline x.json", "--timeline: found it with a sweep"),
        ("4D 325 1T --nic 50", "--nic: found it with a workload on a network"),
    ):
        done = CliRunner().invoke(main, ["train", *arguments.split()])
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)


def test_the_page_has_the_job() -> None:
    """Which NIC to buy, as one command; every command of the page runs in tests/golden/test_pages.py."""
    text = (pages.DOCS / "how-to" / "which-nic.md").read_text(encoding="utf-8")
    commands = [step.text for step in pages.steps(text) if step.kind == "command"]
    assert f"simcore train {JOB}" in commands
