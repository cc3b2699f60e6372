"""Entry point: the command group, loaded lazily, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence

import click

from simcore._version import __version__
from simcore.cli.ascii import speak_ascii
from simcore.errors import InputError, SimcoreError, closest_option, one_line, unknown_name
from simcore.outputs import refused

# job -> name -> (module, one line of help): `simcore --help` lists the commands without importing any of them
GROUPS = {
    "Jobs on a cluster": {
        "trace": ("simcore.cli.trace", "Run a trace of training jobs through cluster schedulers."),
        "sweep": ("simcore.cli.sweep", "Run a study at many values and seeds, on all cores or on a cluster."),
        "workload": ("simcore.cli.workload", "Say what a trace holds: jobs, users, gangs, durations, load."),
    },
    "Collectives and networks": {
        "collective": ("simcore.cli.collective", "Simulate a collective on a network, chunk by chunk."),
        "messages": ("simcore.cli.messages", "Simulate a collective message by message, on shared links."),
        "optimize": ("simcore.cli.optimize", "Find the best split of a network's bandwidth, with a certificate."),
        "share": ("simcore.cli.share", "Run several training jobs on one network: who slows whom."),
    },
    "Training of a model": {
        "model": ("simcore.cli.model", "Show what is read of a model: parameters and work per token."),
        "memory": ("simcore.cli.memory", "Say whether a model's training fits on GPUs, and what makes it fit."),
        "search": ("simcore.cli.search", "Find the fastest layout of a model's training on GPUs that fits."),
        "train": (
            "simcore.cli.train",
            "Predict a training iteration of a model on GPUs, or of a workload on a network.",
        ),
        "schedule": ("simcore.cli.schedule", "Predict what each step of a training schedule changes."),
        "tune": (
            "simcore.cli.tune",
            "Find the fastest batch, recomputation and kernels of training, from few measurements.",
        ),
    },
    "Kernels and step times": {
        "calibrate": ("simcore.cli.calibrate", "Measure the kernels of this machine and fit a profile to them."),
        "profile": ("simcore.cli.profile", "Show, compare, validate and derive kernel profiles."),
        "kernel": (
            "simcore.cli.kernel",
            "Predict one kernel on a profiled device, and say from which sparsity sparse ones pay.",
        ),
        "rates": (
            "simcore.cli.rates",
            "Predict a model's step times on profiled devices, as trace --rates reads them.",
        ),
    },
    "Modules that run on this machine": {
        "verify": ("simcore.cli.verify", "Hold a torch module after a training schedule against the module itself."),
        "sparse": ("simcore.cli.sparse", "Find where a torch module is sparse, and what PIT's kernels save there."),
        "elastic": ("simcore.cli.elastic", "Train a real model on processes that change, and compare it bit for bit."),
    },
    "What ships, and what it was held against": {
        "zoo": ("simcore.cli.zoo", "List and show the clusters, networks, rates and other data that simcore ships."),
        "validate": ("simcore.cli.validate", "Hold the model against measured rows, its error beside their noise."),
        "evaluate": (
            "simcore.cli.evaluate",
            "Reproduce published figures: of networks, Megatron-LM, Slapo, PIT and EasyScale.",
        ),
    },
}
COMMANDS = {name: each for group in GROUPS.values() for name, each in group.items()}


COMPLETE = "_SIMCORE_COMPLETE"
"""Variable by which a shell asks for completions."""


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
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise unknown_name("simcore, command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by what they are for, from the table, importing nothing."""
        width = max(map(len, COMMANDS))
        for job, group in GROUPS.items():
            with formatter.section(job):
                formatter.write_dl([(name.ljust(width), text) for name, (_, text) in group.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="simcore")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Measure kernels, fit one performance model, and run it through studies at scale.

    Results go to standard output, progress and messages to standard error. Exit status: 0 done, 1 the model or a
    solver failed or the disk is full, 2 the input was wrong.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def run(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit; no traceback ever reaches a user unless SIMCORE_DEBUG is set."""
    status: object = 0
    _open_streams()
    speak_ascii()
    _complete()
    try:
        # what click's own main() does, less its handling of closed pipes, which exits with 1
        arguments = list(sys.argv[1:] if argv is None else argv)
        with main.make_context("simcore", arguments) as context:
            main.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = error.exit_code
    except click.ClickException as error:
        _fail(_usage(error))
        status = error.exit_code
    except InputError as error:  # on one line already, but for the caret under a place
        _fail(str(error))
        status = error.exit_code
    except SimcoreError as error:
        _fail(one_line(str(error)))
        status = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort) as stop:
        _fail(str(stop) or "interrupted; no half-written result was left behind")
        status = 130
    except BrokenPipeError:  # the reader of our output went away: head, less
        _drop_output()
        status = 0
    except OSError as error:  # files are written elsewhere: what is left is standard output
        refusal = refused(error, error.filename or "standard output", "file")
        _fail(one_line(str(refusal)))
        _drop_output()
        status = refusal.exit_code
    except MemoryError:
        _fail("this needs more memory than there is; make the trace, the cluster or the number of ticks smaller")
        status = 1
    except Exception as error:
        if os.environ.get("SIMCORE_DEBUG"):
            raise
        _fail(
            f"internal error: {one_line(f'{type(error).__name__}: {error}')}. This is a bug in simcore; "
            "run again with SIMCORE_DEBUG=1 for the traceback and report it"
        )
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _complete() -> None:
    """Answer a shell that asks what the word under way may become, and end."""
    asked = os.environ.get(COMPLETE)
    if asked is None:
        return
    from click.shell_completion import shell_complete

    with contextlib.suppress(Exception):  # a shell has no use for an error while somebody types
        sys.exit(shell_complete(main, {}, "simcore", COMPLETE, asked))
    sys.exit(1)


def _open_streams() -> None:
    """Stand in for standard streams that the shell closed (``>&-``): what goes there goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the rest of the run


def _drop_output() -> None:
    """Send what is still buffered nowhere, so that Python does not complain of it at exit."""
    with contextlib.suppress(OSError, ValueError):  # no real file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException) -> str:
    """Say what click found wrong with the arguments in the words of our own errors."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "simcore"
    help_hint = f"See '{command} --help'."
    unknown = re.match(r"No such command '(.*?)'", error.format_message())
    if unknown and context is not None and isinstance(context.command, click.Group):
        return str(unknown_name(command, unknown[1], context.command.list_commands(context)))
    if isinstance(error, click.NoSuchOption) and context is not None:
        options = [word for param in context.command.get_params(context) for word in param.opts]
        hint = " ".join(filter(None, (closest_option(error.option_name, options), help_hint)))
        return str(InputError(command, f"'{error.option_name}'", "an option that it has", hint))
    if isinstance(error, click.BadOptionUsage):
        missing = "requires" in error.format_message()
        found, expected = ("no value", "a value") if missing else ("a value", "none")
        return str(InputError(error.option_name, found, expected, "See the command's --help."))
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _bad_value(error, error.param)
    message = error.format_message().rstrip(".").removeprefix("Got ")
    extra = re.match(r"unexpected extra arguments? \((.*)\)$", message)
    if extra:
        return str(InputError(command, f"'{extra[1]}' as a further argument", "none", help_hint))
    return str(InputError(command, message[:1].lower() + message[1:], "arguments that it takes", help_hint))


def _bad_value(error: click.BadParameter, param: click.Parameter) -> str:
    """Say which values a parameter takes, in place of click's names of types."""
    place = param.opts[0] if isinstance(param, click.Option) else param.metavar or str(param.name).upper()
    kind, message = param.type, error.message.rstrip(".")
    if isinstance(error, click.MissingParameter):
        return str(InputError(place, "nothing", "a value", f"Add {place}; see --help."))
    quoted = re.match(r"'(.*)' is not|(\S+) is not", message)
    word = (quoted[1] or quoted[2]) if quoted else message
    if isinstance(kind, click.Choice):
        return str(unknown_name(place, word, [str(each) for each in kind.choices]))
    return str(InputError(place, message[:1].lower() + message[1:], "another value"))


def _fail(message: str) -> None:
    click.echo(f"simcore: error: {message}", err=True)


if __name__ == "__main__":
    run()
