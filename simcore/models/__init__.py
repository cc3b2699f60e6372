"""Formulas and simulators: no file formats, no console. What a script needs of them is in `simcore`'s namespaces."""

__all__ = ["bandwidth", "cluster", "compute", "network", "training"]
