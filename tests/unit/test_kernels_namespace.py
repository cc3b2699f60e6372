"""What a script imports: `simcore.kernels`, and the nouns of the packages behind it."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest
from simcore import kernels

PACKAGES = [
    "simcore.kernels",
    "simcore.models.compute.sparse",
    "simcore.calibrate",
    *(f"simcore.calibrate.{part}" for part in ("kernels", "measure", "profile", "suites", "sweeps")),
    *(f"simcore.studies.{study}" for study in ("calibrate", "kernel", "profile", "rates")),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_and_hides_no_module(name):
    """A package that exports a function of the name of one of its modules gives the one or the other by chance."""
    package = importlib.import_module(name)
    modules = {each.name for each in pkgutil.iter_modules(getattr(package, "__path__", []))}
    assert not modules & set(package.__all__)
    for public in package.__all__:
        assert not isinstance(getattr(package, public), ModuleType)
        assert public in dir(package)
    with pytest.raises(AttributeError, match="no-such"):
        getattr(package, "no-such")


def test_the_namespace_loads_nothing_until_it_is_asked():
    program = (
        "import sys, simcore.kernels, simcore.calibrate\nassert not {'numpy', 'torch', 'pydantic'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_kernel_is_predicted_and_chosen_with_what_the_namespace_has():
    profile = kernels.read_profile("cpu").value
    assert isinstance(profile, kernels.KernelProfile)
    product, mask = kernels.Product(1024, 1024, 1024), kernels.RandomMask(1024, 1024, 32, 1, 0.95)
    dense = kernels.predict(profile, "gemm", "fp32", {"m": 1024, "n": 1024, "k": 1024, "batch": 1})
    table, index = kernels.tile_table(profile, product, mask), kernels.index_cost(profile, mask)
    found = kernels.select(product, mask, table, index_cost=index, dense_seconds=dense.seconds)
    assert found.best.name == "k-axis 32x1"
    assert found.dense.seconds == dense.seconds
