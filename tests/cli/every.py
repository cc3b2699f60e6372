"""Every command, each study of it, and a small run of each: what tests of all commands go through.

A new command needs a line in `RUNS`; `tests/cli/test_every.py` says so where it has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from simcore.cli.main import main
from simcore.cli.options import StudyCommand
from simcore.cli.outputs import output_path
from simcore.studies.request import descriptions

from tests import pages
from tests.unit import test_collective_tables, test_derived, test_measurements

GPUS = ("--gpus", "8", "--device", "v100-32gb", "--precision", "fp16")
RUNS: dict[str, tuple[str, ...]] = {
    "trace": ("trace", "--policy", "fifo"),
    "sweep trace": ("sweep", "trace", "synthetic:jobs=8", "--vary", "policy=fifo,srtf", "--seeds", "2"),
    "workload": ("workload", "jobs.csv", "--cluster", "nodes.yaml"),
    "workload synthesise": ("workload", "synthesise", "--like", "jobs.csv", "--jobs", "20"),
    "optimize": ("optimize", "2D", "325", "17B"),
    "train": ("train", "gpt-1.3b", *GPUS, "--tp", "2", "--pp", "2", "--loop", "simulate", "--chunks", "1"),
    "train, a sweep": ("train", "gpt-1.3b", *GPUS, "--tp", "2", "--pp", "1", "--sweep", "global-batch=8,16"),
    "train, a workload": ("train", "2D", "400", "17B", "--chunks", "4"),
    "share": ("share", "two.yaml", "--network", "2D", "--budget", "325"),
    "collective": ("collective", "all-reduce", "1MB", "--network", "Ring(4)@200GB/s,500ns", "--chunks", "4"),
    "messages": ("messages", "all-reduce", "1MB", "--network", "Ring(4)@200GB/s,500ns"),
    "evaluate": ("evaluate", "network-fig12", "--small"),
    "calibrate": ("calibrate", "--from", "table.csv", "--device", "t4", "--source", "me"),
    "profile compare": ("profile", "compare", "cpu", "t4"),
    "profile derive": ("profile", "derive", "mid", "--from", "old.json,new.json", "--sheet", "sheet.yaml"),
    "profile show": ("profile", "show", "cpu"),
    "profile validate": ("profile", "validate", "cpu", "--stored"),
    "kernel break-even": (
        "kernel", "break-even", "1024x1024x1024", "--granularity", "32x1", "--profile", "cpu",
        "--sparsity", "0.5,0.9",
    ),
    "kernel matmul": ("kernel", "matmul", "512x512x512", "--profile", "cpu"),
    "model": ("model", "bert-base"),
    "memory": ("memory", "gpt-1.3b", *GPUS, "--tp", "2"),
    "search": ("search", "gpt-1.3b", *GPUS, "--tp", "2", "--global-batch", "32"),
    "schedule": ("schedule", "gpt-1.3b", *GPUS, "--steps", "sdpa,checkpoint=0.5"),
    "verify": (
        "verify", "gpt", "--steps", "sdpa", "--blocks", "2", "--sequence", "6", "--batch", "4", "--precision", "fp32",
    ),
    "sparse": ("sparse", "sparse_module.py:build", "--example", "64x32", "--repeats", "3"),
    "elastic run": ("elastic", "run", "mlp", "--workers", "1", "--stages", "1x1", "--batches", "1"),
    "tune": ("tune", "opt-350m", *GPUS, "--sequence", "1024", "--space", "few.yaml"),
    "rates": ("rates", "--profile", "t4", "--model", "bert-base", "--batch", "4,8"),
    "validate": ("validate", "--memory", "runs.csv"),
    "zoo": ("zoo", "costs"),
}  # fmt: skip
"""A run of each command, in a folder with the files of `write_inputs`."""

NEEDS_TORCH = ("verify", "sparse", "elastic run")

JOBS = """name,submit_s,duration_s,gpus,vc,user
a,1000,3600,1,x,ann
b,1060,60,3,x,bob
c,8200,7200,2,y,ann
"""
NODES = "nodes: [{type: v100, gpus: 4, vc: x}, {type: v100, gpus: 4, vc: y}]\n"
TWO = """jobs:
- {name: first, workload: 17B, tp: 4, positions: [all, 0-7]}
- {name: second, workload: 17B, tp: 4, positions: [all, 8-15]}
"""
SPACE = "batch: [8, 16]\nratio: [0, 1]\nparallel: [zero3]\nkernels: [sdpa]\n"

MODULE = """from torch import nn

def build():
    made = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 32))
    nn.init.constant_(made[0].bias[8:], -9.0)  # most neurons never fire
    return made

def dense():
    return nn.Sequential(nn.Linear(32, 32), nn.GELU())
"""


def write_inputs(folder: Path) -> None:
    """Write the files that `RUNS` reads; those of a page of the documentation among them."""
    page = (pages.DOCS / "how-to" / "validate.md").read_text(encoding="utf-8")
    texts = {step.name: step.text for step in pages.steps(page) if step.kind == "file"}
    texts["table.csv"] = "\n".join([test_measurements.HEADER, *test_measurements.ROWS]) + "\n"
    rows = test_collective_tables.rows(device="a100_80gb")
    texts["collectives.csv"] = "\n".join([test_collective_tables.HEADER, *rows]) + "\n"
    texts |= {"jobs.csv": JOBS, "nodes.yaml": NODES, "few.yaml": SPACE, "two.yaml": TWO, "sparse_module.py": MODULE}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    test_derived.write(folder)


def commands(
    group: click.Command = main, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that runs something, those below others and beside them too."""
    context = click.Context(main)
    names = group.list_commands(context) if isinstance(group, click.Group) else ()
    below = {name: group.get_command(context, name) for name in names}
    for name, each in (below | getattr(group, "beside", {})).items():
        if not isinstance(each, click.Group):
            yield (*words, name), each
        yield from commands(each, (*words, name))


def studies() -> dict[str, StudyCommand]:
    """Every study of a command, by the name of its run in `RUNS`: ``train`` has several."""
    found: dict[str, StudyCommand] = {}
    for words, command in commands():
        name = " ".join(words)
        own = getattr(command, "studies", {"": command})
        found |= {f"{name}, {of}" if of else name: each for of, each in own.items() if isinstance(each, StudyCommand)}
    return found


def writing() -> list[tuple[str, str]]:
    """Every study, with each of its options that names what is written."""
    return [
        (name, option.opts[0])
        for name, each in studies().items()
        for option in each.params
        if option.callback is output_path or getattr(descriptions(each.request).get(str(option.name)), "written", False)
    ]
