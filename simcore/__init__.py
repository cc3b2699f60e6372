"""simcore: measure kernels, fit one performance model, run it through studies of clusters and networks."""

from __future__ import annotations

from simcore._version import __version__

__all__ = ["__version__"]
