"""What ``simcore verify`` runs: the module, the steps, and how ranks share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simcore.errors import InputError, field, unknown_name
from simcore.models.training.architecture import Transformer
from simcore.models.training.schedule import Schedule, Step
from simcore.readers.models import read_model
from simcore.readers.read import Read
from simcore.readers.schedules import parse_steps, read_schedule
from simcore.real.sizes import Sizes, WideSizes, resized
from simcore.real.verify.case import Case, Ways, texts_of
from simcore.studies.deployment.degrees import degrees_of
from simcore.studies.verify.request import VerifyRequest

FAMILIES = {
    "bert": "bert-xlarge", "gpt": "gpt-neo-2.7b-slapo", "llama": "llama-7b", "opt": "opt-2.7b",
    "roberta": "roberta-xlarge", "t5": "t5-3b", "wideresnet": "wideresnet-2.4b",
}  # fmt: skip
"""Models of Slapo's artifact by the names that it has for them."""


@dataclass(frozen=True)
class Inputs:
    """What is run.

    Attributes
    ----------
    name : str
        Of the model, or the user's function.
    case : Case
        What is verified.
    schedule : Schedule
        All steps.
    sha256 : mapping of str to str
        Hash of every file that was read, by role.
    """

    name: str
    case: Case
    schedule: Schedule
    sha256: dict[str, str]


def inputs_of(request: VerifyRequest) -> Inputs:
    """Read the model and the schedule of a request.

    Raises
    ------
    InputError
        If one is unknown or no language model, or the degrees do not make up the ranks.
    """
    steps = _steps(request)
    ways, stages = ways_of(request, steps.value)
    sha256 = {"schedule": steps.sha256}
    model: Transformer | WideSizes | str = request.model
    name = request.model
    if ".py:" not in name:
        name, model, sha256["model"] = _model(request)
    _check(request, ways)
    case = Case(
        model, texts_of(steps.value), request.example or "", ways, stages, request.batch, request.sequence,
        tuple(request.precision), request.dropout == "seeded", request.device, request.seed,
    )  # fmt: skip
    return Inputs(name, case, steps.value, sha256)


def _check(request: VerifyRequest, ways: Ways) -> None:
    """Refuse masks of dropout that no whole module draws, and samples that do not go round."""
    if request.dropout == "seeded" and ways.tp * ways.pp > 1:
        found = f"seeded beside tp={ways.tp}, pp={ways.pp}"
        remedy = "Leave it out: a rank draws for its own heads and micro-batches, and no whole module draws so."
        raise InputError(field("dropout"), found, "off with tensor and pipeline parallelism", remedy)
    if request.batch % ways.data:
        found = f"{request.batch} sequences on {ways.data} ranks"
        raise InputError(field("batch"), found, f"a multiple of {ways.data}")


def _steps(request: VerifyRequest) -> Read[Schedule]:
    if request.schedule is not None:
        return read_schedule(request.schedule, field("schedule"))
    return parse_steps(request.steps or "", field("steps"))


def _model(request: VerifyRequest) -> tuple[str, Transformer | WideSizes, str]:
    """Return the name, the small version and the hash of a model of the zoo."""
    if request.model.endswith(".py"):
        found = f"'{request.model}', a file alone"
        raise InputError(field("model"), found, "FILE.py:FUNCTION", f"Write '{request.model}:' and the function in it.")
    read = read_model(FAMILIES.get(request.model.lower(), request.model), field("model"))
    model = read.value.transformer
    if read.name == FAMILIES["wideresnet"]:
        return read.name, WideSizes((max(1, request.blocks // 2),) * 4), read.sha256
    if model is None:
        raise unknown_name(field("model"), request.model, [*FAMILIES], "It has no torch module.")
    sizes = Sizes(request.blocks, request.heads, request.sequence, request.batch)
    small = resized(model, sizes)
    if request.dropout == "off":
        small = _without_dropout(small)
    return read.name, small, read.sha256


def _without_dropout(model: Transformer) -> Transformer:
    encoder = None if model.encoder is None else _without_dropout(model.encoder)
    return replace(model, dropout=0.0, encoder=encoder)


def ways_of(request: VerifyRequest, schedule: Schedule) -> tuple[Ways, tuple[int, ...]]:
    """Return how ranks share a module, and the blocks of each stage.

    Raises
    ------
    InputError
        If the degrees do not make up the ranks, or are others than what steps need.
    """
    names = {step.primitive.name for step in schedule.steps}
    own = ".py:" in request.model
    cuts = [step for step in schedule.steps if step.primitive.name == "cut"]
    stages = () if own else next((_stages(step) for step in cuts), ())
    given = None if request.parallel is None else degrees_of(request.parallel)
    pp = _own_stages(cuts) if own else len(stages) or 1
    ranks = request.ranks or (_product(given) if given else pp)
    if given is None:
        left, rest = divmod(ranks, pp)
        if rest or not left:
            raise InputError(field("ranks"), f"{ranks} for {pp} stages", f"a multiple of {pp}")
        ways = Ways(left if "shard" in names else 1, pp, 1 if "shard" in names else left)
    else:
        ways = _given(request, given, ranks)
    if ways.pp != pp:
        found = f"{ways.pp} stages of a pipeline for {pp}"
        raise InputError(
            field("parallel"), found, "as many as a step cut names", f"Add a step cut of {ways.pp} stages."
        )
    if own and pp > 1 and ways.tp * ways.data > 1:
        found = f"{ranks} ranks for {pp} stages of a module of your own"
        raise InputError(
            field("ranks"), found, f"{pp}, one for each stage", "Verify shard and cut one after the other."
        )
    return ways, stages


def _given(request: VerifyRequest, given: dict[str, int], ranks: int) -> Ways:
    tp, pp, zero = given.get("tp", 1), given.get("pp", 1), given.get("zero", 0)
    known = {"tp", "pp", "zero", "dp"}
    left = ranks // (tp * pp)
    if set(given) - known or zero not in (0, 3) or (zero != 3 and given.get("dp", left) > 1 and left > 1):
        found = f"'{request.parallel}' of {ranks} ranks"
        raise InputError(field("parallel"), found, "tp, pp and zero3, which shards all weights over the other ranks")
    if ranks != tp * pp * left or given.get("dp", left) != left:
        found, expected = f"'{request.parallel}' of {ranks} ranks", "degrees whose product divides the ranks"
        raise InputError(field("parallel"), found, expected)
    return Ways(tp, pp, left)


def _product(given: dict[str, int]) -> int:
    return given.get("tp", 1) * given.get("pp", 1) * given.get("dp", 4 if given.get("zero") else 1)


def _stages(step: Step) -> tuple[int, ...]:
    """Return the blocks of each stage of a model of the zoo."""
    if step.value is None:
        raise InputError(field("steps"), "cut without a value", str(step.primitive.takes))
    return tuple(int(word) for word in str(step.value).split("+"))


def _own_stages(cuts: Sequence[Step]) -> int:
    """Return how many stages a user's module has: one begins at the path of each step cut."""
    for step in cuts:
        if step.value is not None or not step.path or any(word == "*" for word in step.path.split(".")):
            expected = "cut with the path of one module, at which a stage begins, such as layers.2:cut"
            raise InputError(field("steps"), f"'{step}' of a module of your own", expected)
    return len(cuts) + 1
