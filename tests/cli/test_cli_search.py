"""``simcore search``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import csv
import json

import pytest
from simcore.cli.main import run
from simcore.outputs import LISTING
from simcore.progress import watched
from simcore.studies.search import SearchRequest, search

from tests.cli.commands import printed, refused

GPT = ("search", "gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp16", "--global-batch", "32")


def test_the_best_layout_its_runners_up_and_why():
    text = printed(*GPT, "--top", "3")
    assert text.startswith(
        "gpt-1.3b on 8 GPUs v100-32gb, global batch 32\n1.316 billion parameters, sequences of 2,048 tokens, fp16\n"
    )
    assert " tokens/s, " in text
    assert "TFLOP/s per GPU, MFU " in text
    assert " of 31.68 GiB" in text
    assert "\nforward " in text
    assert [line.split()[0] for line in text.splitlines() if line[:4].strip().isdigit() and "layouts" not in line] == [
        "1",
        "2",
        "3",
    ]
    assert "slower: " in text
    assert "does not fit: " in text
    assert "need more memory than there is." in " ".join(text.split())


def test_reasons_are_of_the_best_layout_with_one_thing_changed():
    result = search("gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", global_batch=32)
    names = ("tp", "cp", "pp", "vp", "ep", "micro_batch", "recompute", "zero")
    assert len(result.reasons) > 4
    for each in result.reasons:
        differ = [name for name in names if getattr(each.result.layout, name) != getattr(result.best.layout, name)]
        assert len(differ) == 1
        assert each.short > 0 or each.result.time >= result.best.time
        assert (each.short > 0) == (each.result.worst.reserved > result.capacity)
        if each.grows:
            grown = each.result.parts[each.grows] - result.best.parts[each.grows]
            assert each.seconds == grown == max(each.result.parts[p] - result.best.parts[p] for p in result.best.parts)


def test_no_layout_that_fits_is_a_result():
    text = printed("search", "llama-2-70b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp16")
    assert text.startswith("no layout fits: llama-2-70b on 8 GPUs v100-32gb")
    assert "The least is needed by TP 8 x PP 1 x DP 1" in text
    assert "simcore memory says what makes it fit." in " ".join(text.split())


def test_json_has_the_numbers():
    known = json.loads(printed(*GPT, "--json"))
    assert known["tried"] == known["fit"] + known["misfits"]
    assert known["refused"] == {}
    best = known["best"]
    assert sum(best["parts"].values()) == pytest.approx(best["seconds"], rel=1e-12)
    assert best["tokens_per_second"] == pytest.approx(32 * 2048 / best["seconds"], rel=1e-12)
    assert best["mfu"] == pytest.approx(best["flop_per_second"] / 125e12, rel=1e-12)
    assert best["reserved"] <= known["capacity"]
    seconds = [one["seconds"] for one in (best, *known["runners_up"])]
    assert seconds == sorted(seconds)
    degrees = [tuple(one["layout"][name] for name in ("tp", "cp", "pp", "ep")) for one in (best, *known["runners_up"])]
    assert len(set(degrees)) == len(degrees) == 10


def test_mfu_is_null_where_nobody_says_the_peak():
    known = search("gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", tp=1, pp=1, cp=1, micro_batch=1)
    assert known.peak == 125e12


def test_a_folder_has_all_that_was_tried(tmp_path):
    printed(*GPT, "-o", str(tmp_path / "out"))
    names = {
        "search.json",
        "contents.json",
        "best.csv",
        "changes.csv",
        "tried.csv",
        "search.png",
        "search.pdf",
        LISTING,
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    rows = list(csv.DictReader((tmp_path / "out" / "tried.csv").read_text().splitlines()))
    known = json.loads((tmp_path / "out" / "search.json").read_text())
    assert len(rows) == known["tried"]
    fit = [float(row["time_s"]) for row in rows if row["fits"] == "True"]
    assert min(fit) == known["best"]["seconds"]
    assert len(fit) == known["fit"]


def test_what_is_given_restricts_the_space():
    known = json.loads(printed(*GPT, "--tp", "2", "--recompute", "--json"))
    for one in (known["best"], *known["runners_up"]):
        assert (one["layout"]["tp"], one["layout"]["recompute"]) == (2, "full")


def test_progress_tells_what_was_tried():
    seen = []
    request = SearchRequest("gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", global_batch=32)
    with watched(lambda *each: seen.append(each)):
        result = search.of(request)
    assert seen == [("layouts", done, 862) for done in range(863)]
    assert result.found.tried == 862


def test_stopping_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("simcore.models.training.parallel.evaluation.Evaluator.evaluate", stopped)
    with pytest.raises(SystemExit) as stop:
        run([*GPT, "-o", str(tmp_path / "out")])
    assert stop.value.code == 130
    assert list(tmp_path.iterdir()) == []
    assert "no half-written result" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--tp", "3"), "--tp: found 3, expected a divisor of 8 GPUs. The nearest that do are 2 or 4."),
        (("--dp", "3"), "--dp: found 3, expected a divisor of 8 GPUs. The nearest that do are 2 or 4."),
        (("--micro-batch", "3"), "--global-batch: found 32 with micro-batches of 3, expected a multiple of 3."),
        (("--vp", "7"), "--vp: found 7, expected with some PP that divides 8 GPUs, a divisor of the 24 blocks."),
        (("--ep", "2"), "--ep: found 2 for gpt-1.3b, a model without experts, expected 1. Leave --ep out."),
        (("--precision", "bf16"), "--precision: found 'bf16', expected one that v100-32gb has: fp32, fp16."),
        (("--network", "Ring(4)@50GB/s"), "--network: found Ring(4)@50GB/s, which has 4 NPUs, expected a network of 8"),
        (("--device", "t4"), "--network: found nothing, expected a network, as no usual one of t4 is known."),
        (("--fsdp", "--zero", "1"), "--fsdp: found it beside --zero 1, expected one of the two. Leave one out."),
        (("--top", "0"), "--top: found 0, expected a whole number of at least 1."),
        (("--tpp", "2"), "Did you mean '--tp'?"),
    ],
)
def test_bad_input_is_refused(capsys, args, message):
    assert message in refused(capsys, *GPT, *args)


def test_a_space_too_large_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("simcore.studies.search.run.MOST_LAYOUTS", 500)
    err = refused(capsys, *GPT)
    assert "layout: found more than 500 layouts of 8 GPUs, expected fewer. Give a degree that is known" in err
