"""Hostile input for whole commands: what a reader accepts must run, or be refused, before anything is printed of it."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shlex
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from simcore.cli.main import run
from simcore.errors import CONTROL

from tests.fuzz import CASES, TooSlow, altered, limited

TEXTS = {case.name: case.texts for case in CASES} | {"whole": ("8",), "share": ("0.5",), "block": ("32x1",)}
FILES = {
    "network.yaml": "network", "dgx.yaml": "network", "layers.txt": "layers", "model.yaml": "model",
    "profile.json": "profile", "published.yaml": "published profile", "cost.yaml": "costs", "cluster.yaml": "cluster",
    "rates.csv": "step times", "trace.csv": "trace", "artifact.csv": "artifact's trace", "group.yaml": "group",
}  # fmt: skip
"""Files that a command may name, to the case that makes them."""
FIRST = {"dgx.yaml": 1, "model.yaml": 0}
"""Which of the texts of a case a file is."""
COMMANDS = (
    "optimize network.yaml 325 17B Perf NoOverlap --cost cost.yaml",
    "optimize 4D 325 17B PerfPerCost NoOverlap --cost cost.yaml --json",
    "optimize network.yaml 325 model.yaml Perf Overlap --tp 8 --batch 2",
    "optimize 4D 325 17B Perf NoOverlap --constraint {constraint}",
    "optimize 4D {bandwidth} group.yaml Perf NoOverlap",
    "train --network 'Ring(4)@200GB/s x Switch(8)@50GB/s' layers.txt --tp 4 --chunks 2",
    "train --network 'Ring(4)@200GB/s' model.yaml --tp 2 --batch 2 --chunks 2 --profile published.yaml",
    "train --network '{network string}' 17B --tp 4 --dp 32 --chunks 2",
    "train network.yaml 325 17B --chunks 2 --loop NoOverlap -o out",
    "collective all-reduce {bytes} --network dgx.yaml --chunks 2",
    "collective all-gather {bytes} --network '{network string}' --chunks 2 --group {ranks}",
    "collective all-to-all 1MiB --network '{network string}' --chunks 2 -o out",
    "trace trace.csv --policy fifo --cluster cluster.yaml --rates rates.csv -o out",
    "trace trace.csv --policy easyscale-heter --cluster cluster.yaml --rates rates.csv --timeline line.json --force",
    "trace trace.csv --policy fifo --policy easyscale-heter:{policy}",
    "trace artifact.csv --policy yarn-cs --cluster cluster.yaml --json",
    "kernel matmul {sizes} --profile profile.json --extrapolate",
    "kernel matmul 512x512x512 --profile published.yaml --extrapolate",
    "rates --profile published.yaml --device v100 --model model.yaml --name m --batch 2",
    "train network.yaml {bandwidth} 17B --chunks 2 --compute-scale {share} --loop NoOverlap",
    "train network.yaml 325 model.yaml --sequence {whole} --batch 2 --tp 8 --chunks 2",
    "train network.yaml 325 17B --stages 2 --micro-batches {whole} --chunks 2",
    "optimize 4D 325 17B Perf NoOverlap --cap 1={bandwidth}",
    "optimize 4D 325 model.yaml PerfPerCost Overlap --tp {whole} --batch {whole}",
    "collective all-reduce 1MiB --network dgx.yaml --chunks 2 --in-flight {whole}",
    "trace trace.csv --policy fifo --startup-delay {share} --seed {whole}",
    "kernel matmul 512x512x512 --sparsity {share} --granularity {block} --profile v100-32gb",
    "rates --profile published.yaml --device v100 --model bert-base --batch {whole} --dtype fp32",
    "memory model.yaml --gpus {whole} --device v100-32gb --precision fp16 --network 'Switch(8)@50GB/s'",
    "search model.yaml --gpus 4 --device h100 --global-batch {whole} --sequence {whole}",
    "profile show profile.json",
    "profile show profile.json --json",
)
"""In braces stands an input on the command line, by the name of its case."""
MARK = "\x00"


def faults(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield command with input, and fault, of every run that does not end as it must; in a folder of its own."""
    chance = random.Random(seed)
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for index in range(count):
                yield from _one(COMMANDS[index % len(COMMANDS)], chance)
        finally:
            os.chdir(here)


def _one(command: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    words = shlex.split(command)
    inputs = [word for word in words if word in FILES or "{" in word]
    hostile, shown = chance.choice(inputs), ""
    arguments = []
    for word in words:
        name = FILES.get(word) or (word[word.find("{") + 1 : word.find("}")] if "{" in word else "")
        text = TEXTS[name][FIRST.get(word, 0)] if name else ""
        if word == hostile:
            text = shown = altered(text, chance)
        if word in FILES:
            Path(word).write_bytes(text.encode(errors="surrogatepass"))
            arguments.append(word)
        else:
            arguments.append(word.replace(f"{{{name}}}", text.replace(MARK, "")) if name else word)
    fault = outcome([*arguments, "--force"] if "-o" in words else arguments)
    if fault:
        yield f"{command}   {hostile}: {shown!r:.1500}", fault


def outcome(arguments: list[str]) -> str:
    """Run a command and return what is wrong with how it ended; nothing if all is well."""
    out, err, status = io.StringIO(), io.StringIO(), -1
    try:
        with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                run(arguments)
            except SystemExit as stop:
                status = int(stop.code or 0)
    except TooSlow:
        return "takes too long"
    except BaseException:
        return traceback.format_exc()
    said = out.getvalue() + err.getvalue()
    if "internal error" in said or "Traceback" in said or status not in (0, 1, 2):
        return f"exit status {status}: {said[-1500:]}"
    acted = CONTROL.search(said.replace("\n", ""))
    return f"{acted[0]!r} reaches the terminal" if acted else ""


def main() -> None:
    """Try as many commands as the command line asks for, print the faults, and exit with 1 if there is one."""
    parser = argparse.ArgumentParser(description="Try hostile input on whole commands.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    given = parser.parse_args()
    number = 0
    for command, fault in faults(given.seed, given.count):
        number += 1
        sys.stdout.write(f"{command}\n  {fault}\n\n")
        sys.stdout.flush()
    sys.stdout.write(f"{given.count:,} commands with seed {given.seed}: {number} faults\n")
    sys.exit(number > 0)


if __name__ == "__main__":
    main()
