"""``simcore validate``: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.readers.memory_files import OF_ITERATIONS

LLAMA = {
    "source": "mine: torchtitan", "model": "llama", "layers": "32", "hidden": "4096", "heads": "32", "kv_heads": "8",
    "ffn": "14336", "vocab": "128256", "seq_len": "8192", "device": "h100_80gb", "tp": "1", "pp": "1", "cp": "1",
    "dp": "8", "recompute": "selective", "micro_batch": "2", "global_batch": "16", "mem_gb": "80", "kind": "pretrain",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "rows.csv"
        lines = [",".join(OF_ITERATIONS), *(",".join(row.get(name, "") for name in OF_ITERATIONS) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def asked(*arguments):
    return CliRunner().invoke(main, ["validate", *arguments])


def test_a_report_has_a_table_of_sources_and_of_reasons(file):
    text = asked("--memory", file(LLAMA, {**LLAMA, "source": "other"})).stdout
    assert "rows.csv: 1 of 2 measured rows expressed" in text
    assert "mine: torchtitan      1           1" in text
    assert "the layout is not in the row" in text


def test_numbers_are_fractions(file):
    told = json.loads(asked("--memory", file(LLAMA), "--json").stdout)
    (one,) = told["sources"]
    assert one == {**one, "source": "mine: torchtitan", "rows": 1, "expressed": 1}
    assert one["mape"] == one["median"] == one["p90"] == abs(one["bias"]) < 0.05


def test_a_run_out_of_memory_has_no_peak(file):
    told = json.loads(
        asked("--memory", file({**LLAMA, "mem_gb": "", "kind": "OOM", "micro_batch": "8"}), "--json").stdout
    )
    assert told["sources"] == []
    assert told["out_of_memory"] == [
        {"source": "mine: torchtitan", "ran_out": 1, "said_so": 1, "ran": 0, "said_they_would": 0}
    ]


def test_tables_go_to_a_directory(file, tmp_path):
    assert asked("--memory", file(LLAMA), "-o", str(tmp_path / "out")).exit_code == 0
    assert "mine: torchtitan,llama" in (tmp_path / "out" / "rows.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column 'source'"),
        ("", "an empty file"),
        (",".join(OF_ITERATIONS), "no row with measured memory"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    assert message in str(asked("--memory", str(path)).exception)


def test_a_file_is_needed():
    refused = asked()
    assert str(refused.exception).startswith("--memory: found nothing, expected a file of measured memory")
