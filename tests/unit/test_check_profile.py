"""Profiles that are whole and unedited, as their hash proves, and still hold what no calibration writes."""

from __future__ import annotations

import json

import pytest
from simcore.errors import InputError
from simcore.models.compute.profile import content_hash
from simcore.readers.profiles import read_profile
from simcore.readers.zoo import find

TEXT = find("profiles", "cpu", "FILE").read_text(encoding="utf-8")


def fit(document, kernel="gemm", dtype="fp32"):
    return next(one for one in document["fits"] if (one["kernel"], one["dtype"]) == (kernel, dtype))


def sample(document, kernel):
    return next(one for one in document["samples"] if one["kernel"] == kernel)


def twice(document):
    document["fits"].append(fit(document))


CASES = {
    "a speed below zero": (lambda d: fit(d)["parameters"].update(rate=-1.0), "parameter 'rate': found -1, expected"),
    "a speed of zero": (
        lambda d: fit(d)["parameters"].update(vector=0.0),
        "'vector': found 0, expected a num",
    ),
    "a time below zero": (lambda d: fit(d, "launch")["parameters"].update(node=-1e-6), "'node': found -1e-06"),
    "a parameter missing": (
        lambda d: fit(d)["parameters"].pop("fresh"),
        "found fresh amiss, expected the param",
    ),
    "two fits of a kernel": (twice, "fit of gemm fp32: found two of them, expected one per kernel"),
    "a kernel that is none": (lambda d: fit(d).update(kernel="gemn"), "field 'kernel': found 'gemn'.*mean 'gemm'"),
    "a number format that is none": (lambda d: fit(d).update(dtype="fp33"), "field 'dtype': found 'fp33'"),
    "another kernel's formula": (lambda d: fit(d).update(formula="stream"), "field 'formula': found 'stream'"),
    "a formula that is none": (lambda d: fit(d).update(formula="cubic"), "field 'formula': found 'cubic'"),
    "a sample without a size": (
        lambda d: sample(d, "pit-k")["shape"].pop("tile_m"),
        "found no tile_m, expected the",
    ),
    "a size of zero": (lambda d: sample(d, "gemm")["shape"].update(m=0), "m: found 0, expected a size above 0"),
    "a sparsity above one": (lambda d: sample(d, "pit-m")["shape"].update(sparsity=1.5), "sparsity: found 1.5"),
    "a sample of no kernel": (lambda d: sample(d, "moe-loop").update(kernel="moe"), "field 'kernel': found 'moe'"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_profile_that_no_calibration_writes_is_refused(name, tmp_path):
    change, message = CASES[name]
    document = json.loads(TEXT)
    change(document)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**document, "sha256": content_hash(document)}))
    with pytest.raises(InputError, match=message):
        read_profile(path)
