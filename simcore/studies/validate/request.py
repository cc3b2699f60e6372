"""Inputs of ``simcore validate``."""

from __future__ import annotations

from pathlib import Path

from simcore.studies.request import Request, option


class ValidateRequest(Request):
    """Measurements that the model is held against; by default those that ship with simcore."""

    study = "validate"

    rows: str | Path | None = option(
        default=None, metavar="FILE", help="Measured training iterations, as CSV, plain or gzip."
    )
    collectives: str | Path | None = option(
        default=None, metavar="FILE", help="Measured collectives, as CSV, plain or gzip."
    )
    memory: str | Path | None = option(
        default=None, metavar="FILE", help="Measured memory of training iterations, as CSV, plain or gzip."
    )
    add: str | Path | None = option(
        default=None,
        metavar="FILE",
        help="Training iterations of your own: their errors, and the constants fitted to them.",
    )
    source: str = option(
        default="",
        metavar="TEXT",
        help="Only sources whose text contains this, in any case; bloom, selene, mlperf and mosaic too.",
    )
