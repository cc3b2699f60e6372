"""From which sparsity sparse kernels pay: edges, ties inside the expected error, and the command in both its ways."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.errors import CONTROL, InputError
from simcore.kernels import break_even
from simcore.models.compute.profile import Sample
from simcore.models.compute.sparse.break_even import Timing, Trial, edges, fastest
from simcore.models.compute.sparse.profiled import sample_seconds
from simcore.plots import kernel_marks
from simcore.progress import watched
from simcore.readers.profiles import read_profile
from simcore.studies.kernel import BreakEvenRequest
from simcore.studies.kernel.comparison_result import _pays


def trial(sparsity, seconds, error=0.0, conversion=0.0, candidate="pit", dense=(1.0, 0.0)):
    return Trial(candidate, candidate, sparsity, Timing(seconds, error), Timing(conversion), Timing(*dense))


def test_a_difference_inside_the_expected_error_is_a_tie():
    assert trial(0.5, 1.0 / 1.06, 0.03, dense=(1.0, 0.04)).verdict(converted=True) == "faster"
    assert trial(0.5, 1.0 / 1.049, 0.03, dense=(1.0, 0.04)).verdict(converted=True) == "tie"
    assert trial(0.5, 1.0 / 0.951, 0.03, dense=(1.0, 0.04)).verdict(converted=True) == "tie"
    assert trial(0.5, 1.0 / 0.94, 0.03, dense=(1.0, 0.04)).verdict(converted=True) == "slower"


def test_edges_with_the_conversion_and_without_it():
    """Speed-ups of 0.8 and 1.2 without the conversion at 0.5 and 0.9, and a tie within 10 %."""
    trials = [trial(0.5, 1 / 0.8, 0.1), trial(0.9, 1 / 1.2, 0.1), trial(0.5, 2.0, candidate="csr"),
              trial(0.9, 1.25 - 0.5, conversion=0.5, candidate="csr")]  # fmt: skip
    pit, alone, csr, csr_alone = edges(trials)
    assert (pit.tie_from, pit.break_even, pit.pays_from) == pytest.approx((0.6, 0.7, 0.8))
    assert (alone.break_even, alone.converted) == (pytest.approx(0.7), False)
    assert (csr.tie_from, csr.break_even, csr.pays_from) == (None, None, None)
    assert csr_alone.break_even == pytest.approx(0.5 + 0.4 * 0.5 / (1 / 0.75 - 0.5))


def test_an_edge_below_all_that_was_looked_at_is_said_as_the_table_says_it():
    (pit, _) = edges([trial(0.5, 1.0, 0.1), trial(0.9, 1 / 1.2, 0.1)])
    assert pit.tie_from == 0.5
    assert _pays(pit, 0.9).startswith("pit: a tie from 0.5 or less, faster than dense from 0.700 on")


def test_nothing_is_said_of_sparsities_above_the_last_one_that_has_a_time():
    slow, _, fast, _ = edges([trial(at, seconds, candidate=name) for name, seconds in (("bsr", 2.0), ("csr", 0.5))
                              for at in (0.5, 0.8)])  # fmt: skip
    assert _pays(slow, 0.99) == "bsr: slower than dense up to a sparsity of 0.8, conversion included."
    assert _pays(fast, 0.99) == "csr: faster than dense at every sparsity from 0.5 up to 0.8, conversion included."
    assert _pays(fast, 0.8) == "csr: faster than dense at every sparsity from 0.5 on, conversion included."


def test_the_fastest_kernel_of_a_family_depends_on_the_conversion():
    trials = [trial(0.5, 1.0, conversion=3.0), trial(0.5, 2.0, conversion=1.0)]
    assert [one.product.seconds for one in fastest(trials, converted=True)] == [2.0]
    assert [one.product.seconds for one in fastest(trials, converted=False)] == [1.0]


def test_a_profile_gives_the_same_answer_twice_and_names_what_it_lacks():
    result = break_even("1024x1024x1024", granularity="32x1", profile="cpu", sparsities=[0.9, 0.5])
    assert result.provenance.inputs["sparsities"] == [0.5, 0.9]
    again = break_even(**result.provenance.inputs)
    assert again.to_json() == result.to_json()
    assert any(each.startswith("not considered: csr: out of the range") and each.endswith(" at 0.5")
               for each in result.warnings)  # fmt: skip
    assert not any(CONTROL.search(each) for each in result.warnings)
    assert {(e.candidate, e.lowest) for e in result.edges} == {("pit", 0.5), ("bsr", 0.5), ("csr", 0.9)}
    kernels = result.tables()["kernels"]
    assert {row["dense_seconds"] for row in kernels} == {result.compared.dense.seconds}
    assert all(row["total_seconds"] == row["seconds"] + row["conversion_seconds"] for row in kernels)


def test_csr_bsr_and_pit_are_measured_beside_one_dense_product(monkeypatch, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)
    seen = []
    request = BreakEvenRequest("64x48X32", granularity="16x1", sparsities=(0.5, 0.75), repeats=3)
    with watched(lambda *each: seen.append(each)):
        result = break_even.of(request)
    assert seen[-1] == ("sparsities measured", 2, 2)
    kernels = result.tables()["kernels"]
    assert {row["candidate"] for row in kernels} == {"csr", "bsr", "pit"}
    assert len({(row["dense_seconds"], row["dense_error"]) for row in kernels}) == 1
    assert result.compared.dense_repeats >= 3
    assert [(row["candidate"], row["conversion"]) for row in result.tables()["break_even"]] == [
        (name, conversion) for name in ("csr", "bsr", "pit") for conversion in ("included", "left out")
    ]
    result.write(tmp_path / "out")
    assert {"break_even.csv", "kernels.csv", "break-even.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    (figure,) = result.figures().values()
    lines = {line.get_label(): line.get_color() for line in figure.axes[0].get_lines()}
    assert lines == {name: look.colour for name, look in kernel_marks(lines).items()}


def test_the_command():
    args = ["kernel", "break-even", "1024x1024x1024", "--granularity", "32x1", "--profile", "cpu"]
    text = CliRunner().invoke(main, [*args, "--sparsity", "0.5,0.9"], catch_exceptions=False).stdout
    assert "blocks of 32x1 zero" in text
    assert "faster from" in text
    found = json.loads(CliRunner().invoke(main, [*args, "--json"], catch_exceptions=False).stdout)
    assert found["dense"]["repeats"] == 0
    assert found["provenance"]["inputs"]["sparsities"] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sparsities": (1.0,)}, "sparsities: found 1.0, expected a number from 0 to below 1"),
        ({"sparsities": ()}, "sparsities: found none"),
        ({"granularity": "2048x1"}, "granularity: found '2048x1', expected a block within 1024x1024"),
        ({"device": "cpu"}, "device: found 'cpu', expected nothing beside profile"),
        ({"profile": "h100"}, "profile h100: found none, expected a profile with sparse kernels of fp32"),
        ({"sparsities": (0.1,)}, "sparsity 0.1 is outside 0.3 to 0.995"),
        ({"repeats": 2}, "repeats: found 2, expected a whole number of at least 3"),
    ],
)
def test_bad_input(inputs, message):
    with pytest.raises(InputError, match=message):
        break_even("1024x1024x1024", **{"profile": "cpu", **inputs})


def test_the_commands_of_the_page(monkeypatch, tmp_path):
    """As they stand, one after another, from calibration to answer; kernels take what the bundled profile says."""
    pytest.importorskip("torch", reason="torch is not installed")
    profile = read_profile("cpu").value
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)
    monkeypatch.chdir(tmp_path)

    def time_case(case, device, repeats, budget):
        here = Sample(case.kernel, case.dtype, case.shape, 1.0, 0.01, 3, case.held_out, state=case.state)
        (seconds,) = sample_seconds(profile, [here])
        return replace(here, seconds=seconds or 1e-6)

    monkeypatch.setattr("simcore.calibrate.calibration.time_case", time_case)
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "break-even.md"
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert len(commands) == 6
    for command in commands:
        # the one that takes half a minute is looked at where it takes a second
        words = shlex.split(command.replace("1024x1024x1024 --granularity 32x1 -o", "64x64x64 --granularity 32x1 -o"))
        done = CliRunner().invoke(main, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, command
    assert (tmp_path / "pays" / "break_even.csv").exists()
    assert read_profile(tmp_path / "mine.json").value.fit("pit-k", "fp32") is not None
