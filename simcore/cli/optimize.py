"""``simcore optimize``: the best split of a bandwidth budget."""

from __future__ import annotations

from pathlib import Path

import click

from simcore.cli.console import in_place_of, options_of, warn


# a negative budget is refused as one, not as an unknown option
@click.command("optimize", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="NETWORK BUDGET WORKLOAD TARGET LOOP")
@click.option(
    "--recompute",
    is_flag=True,
    help="Forward collectives run twice; train --recompute runs forward compute twice too.",
)
@click.option("--cap", "caps", multiple=True, metavar="DIM=BW", help="At most BW GB/s in a dimension: 4=100, Pod=100.")
@click.option("--min", "minima", multiple=True, metavar="DIM=BW", help="At least BW GB/s in a dimension.")
@click.option("--constraint", "constraints", multiple=True, metavar="TEXT",
              help="Linear (in)equality over b1..bD and total, in GB/s: 'b1 >= b2', 'b3 + b4 = 200'.")  # fmt: skip
@click.option("--budget-at-most", "at_most", is_flag=True, help="The budget may be left in part.")
@click.option("--cost", metavar="NAME|FILE", help="Cost model; by default the zoo's first that fits the network.")
@click.option("--tp", type=click.IntRange(min=1), help="Tensor parallelism, in place of the workload's.")
@click.option("--dp", type=click.IntRange(min=1), help="Data parallelism, in place of the workload's.")
@click.option("--communicator", metavar="FILE", help="Explicit groups per dimension, in place of --tp and --dp.")
@click.option("--workload-variant", "variant", type=click.Choice(["optimizer", "evaluation"]), default="optimizer",
              help="Weight gradients summed layer by layer (the default), or all in the first.")  # fmt: skip
@click.option("--model", metavar="FILE", help="A transformer or Hugging Face config.json, in place of WORKLOAD.")
@click.option("--sequence", type=click.IntRange(min=1), help="Tokens per sequence, in place of the transformer's.")
@click.option("--batch", type=click.IntRange(min=1), help="Sequences per replica, in place of the transformer's.")
@click.option("--profile", metavar="NAME|FILE", help="Compute times from a kernel profile, not a constant rate.")
@click.option("--dtype", metavar="TEXT", help="Number format of the profile's kernels, such as fp16.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="New directory for JSON, CSV and a figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--force", is_flag=True, help="Replace the directory of -o if it exists.")
def command(
    arguments: tuple[str, ...],
    recompute: bool,
    caps: tuple[str, ...],
    minima: tuple[str, ...],
    constraints: tuple[str, ...],
    at_most: bool,
    cost: str | None,
    tp: int | None,
    dp: int | None,
    communicator: str | None,
    variant: str,
    model: str | None,
    sequence: int | None,
    batch: int | None,
    profile: str | None,
    dtype: str | None,
    output: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Split a bandwidth budget over the dimensions of a network, with a proof that no split is better.

    NETWORK is 2D, 3D, 4D or a FILE; BUDGET the bandwidth of one NPU in all, in GB/s; WORKLOAD 17B, 175B, 1T, Group
    (the mean of the three) or a FILE, left out with --model; TARGET Perf (least iteration time) or PerfPerCost (least
    iteration time x network cost); LOOP NoOverlap or Overlap.

    \b
    $ simcore optimize 4D 325 1T Perf Overlap
    4D, 325 GB/s per NPU, 1T (TP 128 x DP 8), Perf, Overlap
    dim   network            bottleneck of                                  GB/s    share      busy ...
    1     Ring 2 Tile        tensor-parallel all-reduce and all-gather   139.762   43.00%  51.86 ms ...
    ...
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.outputs import check_output
    from simcore.results import to_json
    from simcore.studies.inputs import positional
    from simcore.studies.optimize.inputs import limits
    from simcore.studies.optimize.run import optimize

    names = ["NETWORK", "BUDGET", "WORKLOAD", "TARGET", "LOOP"]
    replaced = {} if model is None else {f"--model {model}": ("WORKLOAD",)}
    given = positional("optimize", arguments, names, "4D 325 1T Perf Overlap", options_of(command), replaced)
    if model is not None:
        given.insert(2, model)
    network, budget, workload, target, loop = given
    if output is not None:
        check_output(output, force=force, option="-o")
    with in_place_of("WORKLOAD", "--model", model):
        result = optimize(
            network,
            budget,
            workload,
            target,
            loop,
            recompute=recompute,
            caps=limits("--cap", caps),
            minima=limits("--min", minima),
            constraints=constraints,
            cost=cost,
            tp=tp,
            dp=dp,
            communicator=communicator,
            variant="evaluation" if variant == "evaluation" else "optimizer",
            sequence=sequence,
            batch=batch,
            profile=profile,
            dtype=dtype,
            at_most=at_most,
            output=output,
            force=force,
        )
    for warning in result.warnings:
        warn(warning)
    if output is not None:
        result.write(output, force=force)
    if as_json:
        click.echo(to_json(result.as_dict()), nl=False)
    else:
        from simcore.cli.optimize_report import report

        click.echo(report(result))
