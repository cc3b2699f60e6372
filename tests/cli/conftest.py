"""Fixtures for tests of commands."""

import pytest


@pytest.fixture(autouse=True)
def usual_width(monkeypatch):
    """Give reports room, so that tests look for whole sentences and rows; test_widths.py looks at the usual width."""
    monkeypatch.setattr("simcore.cli.console.USUAL", 10_000)
