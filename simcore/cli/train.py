"""``simcore train``: an iteration of a model on GPUs in closed form, or of a workload on a network, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from simcore.cli.completion import items, words_for
from simcore.cli.flags import flag_of
from simcore.cli.options import StudyCommand
from simcore.cli.standard_input import standard_input
from simcore.errors import InputError
from simcore.studies.iteration.request import IterationRequest
from simcore.studies.iteration.sweep.request import SweepRequest
from simcore.studies.train.request import TrainRequest

HELP = """Predict a training iteration of a model on GPUs, or simulate one on a network, chunk by chunk.

MODEL alone is a model on GPUs: time, its parts, rates, and what every rank holds, before the run. So is NETWORK BUDGET
MODEL with --device, on that network under an equal split.

\b
$ simcore train llama-2-70b --gpus 64 --device h100 --global-batch 512

With --sweep it is one at each value of an option, with what each step gains.

\b
$ simcore train llama-2-70b --gpus 2048 --device h100 --sweep nic=25,50,100

NETWORK is 2D, 3D, 4D or a FILE, with bandwidths of one direction; BUDGET the bandwidth of one NPU in all, in
one direction, in GB/s; WORKLOAD 17B, 175B, 1T or a FILE.

\b
$ simcore train 4D 325 1T
4D, 325 GB/s per NPU; two blocks of 1T (TP 128 x DP 8, ...
iteration
time                    ...
"""

_SAME = {"network": "network_instead", "model_instead": "workload_instead", "training_schedule": "schedule"}
"""Options that have one flag in both studies and another name: that of a model on GPUs, to that of a workload."""

OF_SWEEPS = ("sweep", "cost")
"""Options that only a sweep has."""

ON_GPUS = ("gpus", "device", *OF_SWEEPS)
"""Options that only a model on GPUs has."""


class TrainCommand(click.Command):
    """Studies under one name: one argument is a model on GPUs, or a sweep of it, three a workload on a network.

    Attributes
    ----------
    studies : dict of str to StudyCommand
        The command of each, by what it is of; that of a model on GPUs has no name.
    """

    def __init__(self) -> None:
        self.model = StudyCommand(
            "train", IterationRequest, "simcore.studies.iteration:iteration", help=HELP, timeline=True,
            example="llama-2-7b --gpus 8 --device h100",
        )  # fmt: skip
        self.workload = StudyCommand(
            "train", TrainRequest, "simcore.studies.train:train", help=HELP, example="4D 325 1T", timeline=True
        )
        self.swept = StudyCommand(
            "train", SweepRequest, "simcore.studies.iteration.sweep:sweep", help=HELP,
            example="llama-2-7b --gpus 64 --device h100 --sweep nic=25,50",
        )  # fmt: skip
        self.studies = {"": self.model, "a sweep": self.swept, "a workload": self.workload}
        known = {str(each.name): each for command in (self.swept, self.model) for each in command.params}
        both = {str(each.name): each for each in self.workload.params} | known
        arguments = click.Argument(
            ["arguments"], nargs=-1, metavar="MODEL | NETWORK BUDGET WORKLOAD", shell_complete=_complete
        )
        params = [arguments, *(each for name, each in both.items() if name not in {"arguments", *_SAME})]
        super().__init__(
            "train", context_settings={"ignore_unknown_options": True}, params=params, callback=self._run, help=HELP
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, as either study would."""
        return super().parse_args(ctx, self.model.with_values(args))

    def _run(self, arguments: tuple[str, ...] = (), **values: Any) -> None:
        on_gpus = self._is_model(arguments, values)
        command = self.workload
        if on_gpus:
            command = self.swept if any(values.get(name) is not None for name in OF_SWEEPS) else self.model
        names = {str(each.name) for each in command.params}
        context = click.get_current_context()
        arguments, written_out = _on_network(arguments, values) if on_gpus else (arguments, {})
        if on_gpus:
            given = {other for other in _SAME.values()
                     if context.get_parameter_source(other) is ParameterSource.COMMANDLINE}  # fmt: skip
            values |= {own: values[other] if other in given else None for own, other in _SAME.items()}
            values = {name: value for name, value in values.items() if name not in _SAME.values()} | written_out
        for name in values:
            if name not in names and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                if on_gpus and name == "timeline":
                    raise InputError("--timeline", "it with a sweep", "one of the two", "Leave one out.")
                raise InputError(_flag(self, name), *_elsewhere(on_gpus))
        command.callback(arguments, **{name: value for name, value in values.items() if name in names})  # type: ignore[misc]  # a study's is set

    def _is_model(self, arguments: Sequence[str], values: dict[str, Any]) -> bool:
        """Say whether what is given is a model on GPUs."""
        if any(values.get(name) is not None for name in ON_GPUS):
            return True
        positions = [word for word in arguments if not word.startswith("-")]
        named = values["workload_instead"] is not None
        return values["network_instead"] is None and len(positions) + named == 1


def _on_network(arguments: tuple[str, ...], values: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return a model on GPUs of NETWORK BUDGET MODEL, and what that says: the network with an equal split, its GPUs."""
    positions = [word for word in arguments if not word.startswith("-")]
    if len(positions) != 3 or values["network_instead"] is not None or values.get("gpus") is not None:
        return arguments, {}
    from simcore.readers.network_string import network_text
    from simcore.readers.networks import read_network
    from simcore.studies.inputs import parse_budget

    name, budget, model = positions
    with standard_input(TrainRequest, {"network": name, "workload": model}):
        topology, whole = read_network(name, "NETWORK").value.topology, parse_budget(budget, "BUDGET")
    each = whole / len(topology.dimensions)
    text = network_text(topology, [each] * len(topology.dimensions), "NETWORK")
    return (model,), {"network": text, "gpus": topology.npus}


def _complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a model, or a network, a budget and a workload."""
    before = [word for word in ctx.params.get("arguments") or () if not word.startswith("-")]
    fields = {0: ("network", "model"), 2: ("workload",)}.get(len(before), ())
    return items([word for name in fields for word in words_for(name, None)], incomplete, files=bool(fields))


def _flag(command: click.Command, name: str) -> str:
    return next((each.opts[0] for each in command.params if each.name == name), flag_of(name))


def _elsewhere(on_gpus: bool) -> tuple[str, str, str]:
    """Return what is found and expected, and a remedy, where an option of the other study is given."""
    given, other = "a model on GPUs", "a workload on a network"
    forms = "train MODEL --gpus N --device NAME", "train NETWORK BUDGET WORKLOAD"
    if not on_gpus:
        given, other, forms = other, given, forms[::-1]
    return f"it with {given}", f"options of {forms[0]}", f"It is an option of {other}: {forms[1]}."


command = TrainCommand()
