"""Sparse matrix products after PIT (SOSP'23): how much of a mask tiles cover, what that costs, which kernel to take.

`coverage` has the pattern of zeros and the tiles that cover it, `tiles` the measured cost of a kernel, `select` the
choice.
"""
