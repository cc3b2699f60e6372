"""Entry point: the command group, loaded lazily, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from simcore._version import __version__
from simcore.errors import SimcoreError, did_you_mean

# name -> (module, one line of help): `simcore --help` lists the commands without importing any of them
COMMANDS = {
    "optimize": ("simcore.cli.optimize", "Find the best split of a network's bandwidth, with a certificate."),
    "train": ("simcore.cli.train", "Simulate a training iteration on a network, chunk by chunk."),
    "collective": ("simcore.cli.collective", "Simulate a collective chunk by chunk on a network."),
    "trace": ("simcore.cli.trace", "Run a trace of training jobs through cluster schedulers."),
    "evaluate": ("simcore.cli.evaluate", "Reproduce figures and tables of the network study."),
    "zoo": ("simcore.cli.zoo", "List and show the clusters, rates and other data that simcore ships."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, with the closest name when there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"no command '{args[0]}', expected one of {', '.join(COMMANDS)}. {hint}".rstrip())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="simcore")
def main() -> None:
    """Measure kernels, fit one performance model, and run it through studies at scale.

    Results go to standard output, progress and messages to standard error. Exit status: 0 done, 1 the model or a
    solver failed, 2 the input was wrong.
    """


def run(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit; no traceback ever reaches a user unless SIMCORE_DEBUG is set."""
    try:
        status = main(args=argv, prog_name="simcore", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except SimcoreError as error:
        _fail(str(error))
        status = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        _fail("interrupted; no half-written result was left behind")
        status = 130
    except BrokenPipeError:  # the reader of our output went away: head, less
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        if os.environ.get("SIMCORE_DEBUG"):
            raise
        _fail(
            f"internal error: {type(error).__name__}: {error}. This is a bug in simcore; "
            "run again with SIMCORE_DEBUG=1 for the traceback and report it"
        )
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    click.echo(f"simcore: error: {message}", err=True)


if __name__ == "__main__":
    run()
