"""Kernels of simcore's own."""
