"""``simcore trace``: the cluster study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.console import number, one_of, print_table, trace_progress, warn

if TYPE_CHECKING:
    from simcore.models.cluster.rules import Rules
    from simcore.studies.trace.result import TraceResult


@click.command("trace")
@click.argument("trace", default="sc23", metavar="[TRACE]")
@click.option(
    "--interval",
    default="60",
    metavar="SECONDS|event",
    show_default=True,
    help="Decide at multiples of this, or at every arrival and completion.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="A policy, or FILE.py:CLASS; repeat for more; the first is the one to improve on.  "
    "[default: yarn-cs, fifo, easyscale-homo, easyscale-heter]",
)
@click.option("--cluster", default="sc23", metavar="NAME|FILE", show_default=True, help="GPUs by type.")
@click.option(
    "--rates",
    metavar="NAME|FILE",
    help="Seconds per mini-batch by model, batch size and GPU type.  [default: sc23-fitted; unit for synthetic]",
)
@click.option(
    "--rules",
    default="published",
    metavar="published|corrected",
    show_default=True,
    help="Count as the published code does, or as the paper means.",
)
@click.option(
    "--assignment", callback=one_of("worst", "best"), metavar="worst|best", help="Thread assignment kept per placement."
)
@click.option(
    "--single-type-speedup",
    callback=one_of("linear", "exact"),
    metavar="linear|exact",
    help="Claimed speed-up of n equal GPUs.",
)
@click.option(
    "--idle-gpus",
    callback=one_of("held", "returned"),
    metavar="held|returned",
    help="GPUs that a grown job no longer uses.",
)
@click.option(
    "--startup",
    callback=one_of("once", "every-change"),
    metavar="once|every-change",
    help="When the start-up delay is paid.",
)
@click.option(
    "--order",
    callback=one_of("dictionary", "submission"),
    metavar="dictionary|submission",
    help="Order in which policies see jobs.",
)
@click.option(
    "--startup-delay",
    callback=number("a number of seconds", most=1e9),
    metavar="SECONDS",
    help="Start-up delay.  [default: 20]",
)
@click.option(
    "--format", "file_format", metavar="simcore|easyscale", help="Format of TRACE; by default its header decides."
)
@click.option(
    "--seed",
    callback=number("a whole number", int),
    metavar="N",
    default="0",
    show_default=True,
    help="Seed of a generated trace.",
)
@click.option("-o", "--output", metavar="DIR", help="Write summary, jobs, allocation and figures into a new directory.")
@click.option("--timeline", metavar="FILE", help="Write a timeline that ui.perfetto.dev opens.")
@click.option("--json", "as_json", is_flag=True, help="Print rows and provenance as JSON.")
@click.option("--force", is_flag=True, help="Replace DIR if it exists.")
def command(
    trace: str,
    interval: str,
    policies: tuple[str, ...],
    cluster: str,
    rates: str | None,
    rules: str,
    startup_delay: float | None,
    file_format: str | None,
    seed: int,
    output: str | None,
    timeline: str | None,
    as_json: bool,
    force: bool,
    **switches: str | None,
) -> None:
    """Run a trace of training jobs through cluster schedulers.

    TRACE is sc23 (the 62 jobs of EasyScale's trace experiment, the default), a CSV file, or a generator:
    synthetic:jobs=1000,load=0.9 (rigid jobs) or synthetic-elastic:jobs=1000,load=0.9.

    \b
    Examples:
      simcore trace --interval 60
      simcore trace --policy fifo --policy easyscale-heter --rules corrected -o results
      simcore trace my_trace.csv --cluster my_cluster.yaml --rates my_rates.csv --json
    """  # noqa: D301 -- click takes a backspace character as "keep these lines"
    _check_outputs(output, timeline, force)
    from simcore.outputs import write_atomic
    from simcore.studies.trace.run import trace as run_trace

    with trace_progress() as progress:
        result = run_trace(
            trace,
            policies=policies or None,
            cluster=cluster,
            rates=rates,
            interval=interval,
            rules=_rules(rules, startup_delay, switches),
            seed=seed,
            file_format=file_format,
            progress=progress,
        )
    for note in result.provenance.notes:
        warn(note)
    if output is not None:
        result.write(output, force=force)
    if timeline is not None:
        write_atomic(Path(timeline), json.dumps(result.timeline(), separators=(",", ":")) + "\n")
    if as_json:
        from simcore.results import to_json

        click.echo(to_json(result.to_dict()), nl=False)
    else:
        _print(result)


def _check_outputs(output: str | None, timeline: str | None, force: bool) -> None:
    """Refuse outputs that cannot be written before the run, not after it."""
    from simcore.errors import InputError
    from simcore.outputs import check_file, check_output

    if output is not None:
        if not output:
            raise InputError("--output", "an empty name", "the path of a directory")
        check_output(Path(output), force=force, option="--output")
    if timeline is not None:
        if not timeline:
            raise InputError("--timeline", "an empty name", "the path of a file")
        check_file(Path(timeline), option="--timeline", force=force)
        if output is not None and Path(timeline).absolute() in (path := Path(output).absolute(), *path.parents):
            raise InputError(f"--timeline {timeline}", "the directory of --output, or one above", "a file of its own")


def _rules(name: str, startup_delay: float | None, switches: dict[str, str | None]) -> str | Rules:
    changed: dict[str, Any] = {key.replace("-", "_"): value for key, value in switches.items() if value is not None}
    if startup_delay is not None:
        changed["startup_delay"] = startup_delay
    if not changed:
        return name
    from dataclasses import replace

    from simcore.errors import unknown_name
    from simcore.models.cluster.rules import RULES

    if name not in RULES:
        raise unknown_name("--rules", name, RULES)
    return replace(RULES[name], **changed)


def _print(result: TraceResult) -> None:
    inputs = result.provenance.inputs
    gpus = " + ".join(f"{number} {gpu}" for gpu, number in inputs["cluster"]["gpus"].items())
    decided = "at every arrival and completion" if result.interval is None else f"every {result.interval:g} s"
    click.echo(f"trace {inputs['trace']}: {inputs['jobs']} jobs, decided {decided}")
    click.echo(f"cluster {inputs['cluster']['name']}: {gpus}")
    rates = inputs["rates"]
    kinds = f" ({', '.join(rates['kinds'])})" if rates["kinds"] else ""
    click.echo(f"step times: {rates['name']}{kinds}{': ' + rates['note'] if rates['note'] else ''}\n")
    rows = list(result.table)
    lines = [
        ("jobs", [f"{row['jobs']}" for row in rows]),
        *((label, [f"{row[key]:,.1f}" for row in rows]) for label, key in _SECONDS),
        ("mean allocated GPUs", [f"{row['mean_allocated_gpus']:.1f}  {row['utilisation']:4.0%}" for row in rows]),
        *(
            (f"  {t}", [f"{row[f'mean_allocated_gpus_{t}']:.1f}  {row[f'utilisation_{t}']:4.0%}" for row in rows])
            for t in result.cluster.types
        ),
        (f"JCT improvement over {rows[0]['policy']}", [_ratio(row["jct_improvement"]) for row in rows]),
        (f"makespan improvement over {rows[0]['policy']}", [_ratio(row["makespan_improvement"]) for row in rows]),
    ]
    print_table(["policy", *(row["policy"] for row in rows)], [[label, *cells] for label, cells in lines])
    click.echo(_serial_baseline({row["policy"]: row["mean_jct_s"] for row in rows}), nl=False)


_SECONDS = (
    ("mean JCT [s]", "mean_jct_s"),
    ("median JCT [s]", "median_jct_s"),
    ("p95 JCT [s]", "p95_jct_s"),
    ("p99 JCT [s]", "p99_jct_s"),
    ("mean queueing [s]", "mean_queueing_s"),
    ("makespan [s]", "makespan_s"),
)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def _serial_baseline(jct: dict[str, float]) -> str:
    """Say how much of an improvement over the published baseline comes from its running one job at a time."""
    if "yarn-cs" not in jct:
        return ""
    line = "yarn-cs, the published baseline, is serial: one job at a time on the whole cluster"
    if "fifo" in jct:
        line += f"; packing gangs (fifo) alone improves mean JCT {jct['yarn-cs'] / jct['fifo']:.2f}x"
    return line + ".\n"
