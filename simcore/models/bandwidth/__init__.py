"""Splitting a bandwidth budget over the dimensions of a network, with a certificate.

`region` holds what a split must satisfy, `relaxation` the linear programs, `certificate` and `geometric` the lower
bounds, `perf` and `per_cost` the two searches, `ties` the choice among equal optima, and `explain` why the split is
what it is.
"""
