"""``simcore collective``: one collective, chunk by chunk."""

from __future__ import annotations

from pathlib import Path

import click

from simcore.cli.console import options_of, terminal_width
from simcore.errors import InputError


# a size below 0 is refused as one, not as an unknown option
@click.command("collective", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="COLLECTIVE SIZE")
@click.option("--network", metavar="TEXT|NAME|FILE",
              help="Dimensions with bandwidth and link latency; or a network that has bandwidths. Needed.")  # fmt: skip
@click.option("--chunks", type=int, default=64, show_default=True, help="Into how many the buffer is cut.")
@click.option("--schedule", default="ascending", show_default=True, metavar="NAME",
              help="Order of dimensions per chunk: ascending, round-robin, themis, flex, latency-aware.")  # fmt: skip
@click.option("--in-flight", type=int, default=1, show_default=True, help="Chunks under way in a dimension at once.")
@click.option("--group", metavar="RANKS", help="Ranks that take part: 0-15 or 0,4,8; by default all.")
@click.option("--collective-opt", "optimization", default="local", show_default=True, metavar="NAME",
              help="Reduce-scatter up and all-gather down (local), or full-per-dimension.")  # fmt: skip
@click.option("--convention", default="physical", show_default=True, metavar="NAME",
              help="What a chunk costs: physical, or as ASTRA-sim counts: astra-sim, astra-sim-2, "
                   "astra-sim-2-aware.")  # fmt: skip
@click.option("--algorithm", "algorithms", metavar="NAMES",
              help="ring, direct, halving-doubling or folding, one or with commas one per dimension.")  # fmt: skip
@click.option("--timeline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Trace for ui.perfetto.dev, and CSV beside it.")  # fmt: skip
@click.option("-o", "output", type=click.Path(path_type=Path), help="New directory for JSON, CSV, trace and figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--force", is_flag=True, help="Replace what -o and --timeline write if it exists.")
def command(
    arguments: tuple[str, ...],
    network: str | None,
    chunks: int,
    schedule: str,
    in_flight: int,
    group: str | None,
    optimization: str,
    convention: str,
    algorithms: str | None,
    timeline: Path | None,
    output: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Simulate a collective chunk by chunk: its time, the bound, and which dimension limits it.

    COLLECTIVE is all-reduce, reduce-scatter, all-gather or all-to-all. SIZE, such as 1GiB or 100MB, is the full buffer
    per NPU, for all-gather the input shard per NPU. A network is written from the inside out, as Ring, FC or Switch:

    \b
    $ simcore collective all-reduce 1GiB --network "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
    all-reduce of 1 GiB (full buffer per NPU) among 4 x 8 x 4 = 128 NPUs, ascending, 64 chunks, 1 in flight, physical
    ...
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.outputs import check_output
    from simcore.results import to_json
    from simcore.studies.collective.run import collective
    from simcore.studies.inputs import positional
    from simcore.timeline.file import check_timeline

    names, written = ["COLLECTIVE", "SIZE"], '--network "Ring(8)@100GB/s"'
    operation, size = positional("collective", arguments, names, f"all-reduce 1GiB {written}", options_of(command))
    if network is None:
        expected = "a network with the bandwidth of each dimension"
        raise InputError("--network", "nothing", expected, f"Add one, such as {written}.")
    check_timeline(timeline, force=force)
    if output is not None:
        check_output(output, force=force, option="-o")
    result = collective(
        operation,
        size,
        network=network,
        chunks=chunks,
        schedule=schedule,
        in_flight=in_flight,
        group=group,
        optimization=optimization,
        convention=convention,
        algorithms=algorithms,
        output=output,
        force=force,
    )
    if timeline is not None:
        result.write_timeline(timeline)
    if output is not None:
        result.write(output, force=force)
    if as_json:
        click.echo(to_json(result.as_dict()), nl=False)
    else:
        from simcore.cli.collective_report import WIDEST, report

        click.echo(report(result, min(WIDEST, terminal_width() or WIDEST)))
