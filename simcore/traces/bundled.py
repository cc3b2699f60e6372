"""The traces that come with simcore."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
BUNDLED = {"sc23": DATA / "sc23.csv"}
