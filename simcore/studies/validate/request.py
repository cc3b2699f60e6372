"""Inputs of ``simcore validate``."""

from __future__ import annotations

from pathlib import Path

from simcore.studies.request import Request, option


class ValidateRequest(Request):
    """Measurements that a model is held against."""

    study = "validate"

    memory: str | Path | None = option(
        default=None, metavar="FILE", help="Measured memory of training iterations, as CSV, plain or gzip. Needed."
    )
