"""``simcore train``: a training iteration on a network, simulated chunk by chunk."""

from __future__ import annotations

from pathlib import Path

import click

from simcore.cli.console import in_place_of, options_of, terminal_width, warn


# a negative budget is refused as one, not as an unknown option
@click.command("train", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="NETWORK BUDGET WORKLOAD")
@click.option("--network", "text", metavar="TEXT|NAME|FILE",
              help="A network with its bandwidths, in place of NETWORK and BUDGET: "
                   "'Ring(4)@200GB/s,500ns x Switch(4)@50GB/s,1us'.")  # fmt: skip
@click.option("--split", default="equal", show_default=True, metavar="equal|optimal|B1,B2,...",
              help="How the budget is split over the dimensions; bandwidths in GB/s.")  # fmt: skip
@click.option("--loop", default="simulate", show_default=True, metavar="NoOverlap|Overlap|simulate",
              help="What waits for what; simulate: layers wait for their input gradients only.")  # fmt: skip
@click.option("--chunks", type=int, default=64, show_default=True, help="Into how many each collective is cut.")
@click.option("--schedule", default="ascending", show_default=True, metavar="NAME",
              help="Order of dimensions per chunk: ascending, round-robin, themis, flex, latency-aware.")  # fmt: skip
@click.option("--convention", default="physical", show_default=True, metavar="physical|astra-sim|astra-sim-2",
              help="What a chunk costs: by physics, or as ASTRA-sim counts it.")  # fmt: skip
@click.option("--compute-scale", type=float, default=1.0, show_default=True, help="Factor on all compute.")
@click.option("--workload-variant", "variant", type=click.Choice(["optimizer", "evaluation"]), default="optimizer",
              help="Weight gradients summed layer by layer (the default), or all in the first.")  # fmt: skip
@click.option("--recompute/--no-recompute", "recompute", default=None,
              help="Recompute activations block by block, compute and collectives of the forward pass "
                   "(optimize --recompute: collectives only). By default with the loop simulate.")  # fmt: skip
@click.option("--tp", type=click.IntRange(min=1), help="Tensor parallelism, in place of the workload's.")
@click.option("--dp", type=click.IntRange(min=1), help="Data parallelism, in place of the workload's.")
@click.option("--communicator", metavar="FILE", help="Explicit groups per dimension, in place of --tp and --dp.")
@click.option("--model", metavar="FILE", help="A transformer or Hugging Face config.json, in place of WORKLOAD.")
@click.option("--sequence", type=click.IntRange(min=1), help="Tokens per sequence, in place of the transformer's.")
@click.option("--batch", type=click.IntRange(min=1), help="Sequences per replica, in place of the transformer's.")
@click.option("--zero", type=int, default=0, show_default=True, help="Stage of ZeRO: 0 or 3.")
@click.option("--stages", type=int, default=1, show_default=True, help="Pipeline stages, on the outermost dimensions.")
@click.option("--micro-batches", type=click.IntRange(min=1), help="Micro-batches; by default four per stage.")
@click.option("--order", default="1F1B", show_default=True, metavar="GPipe|1F1B", help="Order of micro-batches.")
@click.option("--profile", metavar="NAME|FILE", help="Compute times from a kernel profile, not a constant rate.")
@click.option("--dtype", metavar="TEXT", help="Number format of the profile's kernels, such as fp16.")
@click.option("--timeline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write a trace for ui.perfetto.dev, and the same as CSV beside it.")  # fmt: skip
@click.option("-o", "output", type=click.Path(path_type=Path), help="New directory for JSON, CSV, trace and figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--force", is_flag=True, help="Replace what -o and --timeline write if it exists.")
def command(
    arguments: tuple[str, ...],
    text: str | None,
    split: str,
    loop: str,
    chunks: int,
    schedule: str,
    convention: str,
    compute_scale: float,
    variant: str,
    recompute: bool | None,
    tp: int | None,
    dp: int | None,
    communicator: str | None,
    model: str | None,
    sequence: int | None,
    batch: int | None,
    zero: int,
    stages: int,
    micro_batches: int | None,
    order: str,
    profile: str | None,
    dtype: str | None,
    timeline: Path | None,
    output: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Simulate a training iteration on a network, chunk by chunk, and say where its time goes.

    NETWORK is 2D, 3D, 4D or a FILE; BUDGET the bandwidth of one NPU in all, in GB/s; WORKLOAD 17B, 175B, 1T or a FILE.

    \b
    $ simcore train 4D 325 1T
    4D, 325 GB/s per NPU; 1T (TP 128 x DP 8, optimizer workload); loop simulate with recomputation; ...
    iteration
    time                    ...
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.outputs import check_output
    from simcore.results import to_json
    from simcore.studies.inputs import positional
    from simcore.studies.train.run import train
    from simcore.timeline.file import check_timeline

    replaced: dict[str, tuple[str, ...]] = {} if text is None else {"--network": ("NETWORK", "BUDGET")}
    if model is not None:
        replaced[f"--model {model}"] = ("WORKLOAD",)
    names = ["NETWORK", "BUDGET", "WORKLOAD"]
    given = positional("train", arguments, names, "4D 325 1T", options_of(command), replaced)
    check_timeline(timeline, force=force)
    if output is not None:
        check_output(output, force=force, option="-o")
    with in_place_of("WORKLOAD", "--model", model):
        result = train(
            given[0] if text is None else text,
            given[1] if text is None else None,
            given[-1] if model is None else model,
            split=split,
            loop=loop,
            chunks=chunks,
            schedule=schedule,
            convention=convention,
            compute_scale=compute_scale,
            variant="evaluation" if variant == "evaluation" else "optimizer",
            recompute=recompute,
            tp=tp,
            dp=dp,
            communicator=communicator,
            sequence=sequence,
            batch=batch,
            zero=zero,
            stages=stages,
            micro_batches=micro_batches,
            order=order,
            profile=profile,
            dtype=dtype,
            record=timeline is not None,
            output=output,
            force=force,
        )
    for warning in result.warnings:
        warn(warning)
    if output is not None:
        result.write(output, force=force)
    if timeline is not None:
        result.write_timeline(timeline)
    if as_json:
        click.echo(to_json(result.as_dict()), nl=False)
    else:
        from simcore.cli.train_report import WIDEST, report

        click.echo(report(result, min(WIDEST, terminal_width() or WIDEST)))
