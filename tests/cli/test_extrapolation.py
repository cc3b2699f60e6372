"""What no profile measured: a kernel that is named is refused, those of a model are predicted with a warning."""

import pytest
from simcore.cli.main import run
from simcore.models.compute import predict
from simcore.models.compute.profile import BEYOND_BY_SHAPE, BEYOND_OF_MODELS
from simcore.studies.request import descriptions

from tests.cli.every import NEEDS_TORCH, RUNS, studies, write_inputs

PROFILES = ("profile", "profiles", "predict")
"""Fields that name the profile which a command predicts from; so does ``device``, where it is that of a model."""
MODELS = {
    "optimize": ("optimize", "2D", "300", "bert-base", "--tp", "1", "--profile", "v100-16gb"),
    "train, a workload": (
        "train", "2D", "300", "bert-base", "--tp", "1", "--chunks", "1", "--batch", "4", "--profile", "v100-16gb",
    ),
    "sparse": (*RUNS["sparse"], "--profile", "cpu"),
    "share": ("share", "one.yaml", "--network", "2D", "--budget", "325", "--profile", "v100-16gb"),
}  # fmt: skip
"""Runs that predict from a profile, where a command's own in `RUNS` takes none."""
ONE = "jobs: [{workload: bert-base, tp: 4}, {workload: bert-base, tp: 4}]\n"
NO_TIMES = ("memory", "evaluate")
"""Commands that predict no time of a model's kernels, or only beside what they measure."""


def of_profiles():
    """Commands whose request names a profile."""
    fields = {name: descriptions(each.request) for name, each in studies().items()}
    return [
        name
        for name, of in fields.items()
        if any(field in of for field in PROFILES) or ("device" in of and "gpus" in of)
    ]


def test_these_commands_predict_from_profiles():
    assert set(of_profiles()) == {
        "optimize", "train", "train, a sweep", "train, a workload", "share", "evaluate", "kernel break-even",
        "kernel matmul", "memory", "search", "schedule", "sparse", "tune", "rates",
    }  # fmt: skip


@pytest.mark.parametrize("name", of_profiles())
def test_the_help_says_the_rule(name):
    texts = [each.help for each in descriptions(studies()[name].request).values()]
    assert sum(BEYOND_OF_MODELS in text or BEYOND_BY_SHAPE in text for text in texts) == 1


@pytest.mark.parametrize("name", [name for name in of_profiles() if name not in NO_TIMES])
def test_the_rule_holds(name, tmp_path, monkeypatch, capsys):
    if name in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    write_inputs(tmp_path)
    (tmp_path / "one.yaml").write_text(ONE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predict, "outside", lambda *_: ("every shape is beyond",))
    with pytest.raises(SystemExit) as stop:
        run([*MODELS.get(name, RUNS[name])])
    said = "".join(capsys.readouterr())
    if name.startswith("kernel"):
        assert stop.value.code == 2
        assert "Add --extrapolate to predict it all the same" in said
        with pytest.raises(SystemExit) as stop:
            run([*RUNS[name], "--extrapolate"])
        said = "".join(capsys.readouterr())
    assert stop.value.code == 0, said
    assert "extrapolated beyond what was measured" in " ".join(said.split())
