"""One rule for how names, whole numbers and sizes are written, the same in every command."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.errors import InputError, by_name


def inputs(*arguments):
    done = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)["provenance"]["inputs"]


def test_a_name_that_is_spelt_exactly_comes_first_and_two_alike_are_refused():
    assert by_name("Fifo", ["fifo", "yarn-cs"]) == "fifo"
    assert by_name("MINE", ["mine", "MINE"]) == "MINE"
    assert by_name("Mine", ["mine", "MINE"]) is None


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (("kernel", "matmul", "1024X1024x1e3", "--profile", "CPU", "--dtype", "FP32"), "dtype", "fp32"),
        (("kernel", "matmul", "1024X1024x1e3", "--profile", "CPU"), "shape", [1024, 1024, 1000]),
        (("kernel", "break-even", "1e3X512X512", "--granularity", "32X1", "--profile", "cpu"), "granularity", [32, 1]),
        (("trace", "--policy", "FIFO", "--rules", "Corrected"), "policies", ["fifo"]),
        (("evaluate", "NETWORK-FIG12", "--small"), "target", "network-fig12"),
        (("memory", "LLAMA-2-7B", "--gpus", "8e0", "--device", "H100"), "gpus", 8),
        (("train", "4d", "325", "1t", "--chunks", "4e0"), "chunks", 4),
        (("optimize", "4d", "325", "1T", "PERFPERCOST"), "target", "PerfPerCost"),
        (("collective", "ALL-REDUCE", "1GB", "--network", "ring(4)@99GB/s X FC(2)@9GB/s"), "collective", "all-reduce"),
    ],
)  # fmt: skip
def test_every_command_reads_names_in_any_case_and_results_spell_them_one_way(command, field, value):
    assert inputs(*command)[field] == value


def test_suites_are_read_in_any_case():
    registry = pytest.importorskip("simcore.calibrate.suites.registry")
    assert registry.known_suites(["GEMM", "gemm", "Pit"]) == ("gemm", "pit")
    with pytest.raises(InputError, match="Did you mean 'gemm'"):
        registry.known_suites(["gemn"])


@pytest.mark.parametrize("word", ["1_000", "1k", "²"])
@pytest.mark.parametrize(
    "command",
    [
        ("memory", "llama-2-7b", "--device", "h100", "--gpus"),
        ("kernel", "break-even", "8x8x8", "--repeats"),
        ("collective", "all-reduce", "1GB", "--network", "Ring(8)@100GB/s", "--chunks"),
    ],
)
def test_no_command_reads_a_whole_number_that_is_none(command, word):
    with pytest.raises(InputError, match=r"expected (auto or )?a whole number"):
        CliRunner().invoke(main, [*command, word], catch_exceptions=False)
    with pytest.raises(InputError, match="whole numbers with x between them"):
        CliRunner().invoke(main, ["kernel", "matmul", f"{word}x4x4", "--profile", "cpu"], catch_exceptions=False)
