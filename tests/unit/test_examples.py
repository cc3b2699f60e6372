"""The examples of the documentation print what stands beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path):
    found = subprocess.run([sys.executable, path.name], cwd=path.parent, capture_output=True, text=True, check=True)
    assert found.stdout == path.with_suffix(".out").read_text(encoding="utf-8")
