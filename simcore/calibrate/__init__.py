"""Microbenchmarks of real kernels: the only package that imports torch, and only inside functions."""
