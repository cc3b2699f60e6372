"""``python -m simcore``."""

from simcore.cli.main import run

run()
