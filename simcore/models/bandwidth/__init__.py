"""Splitting a bandwidth budget over the dimensions of a network, with a certificate.

`region` holds what a split must satisfy, `relaxation` the linear programs, `certificate`, `geometric` and `envelope`
the lower bounds, `perf` and `per_cost` the two searches, `ties` the choice among equal optima, `shadow` the prices of
limits, and `explain` why the split is what it is.
"""
