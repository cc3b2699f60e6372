"""What doctests of the whole package need: modules that import an optional dependency are left out without it."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") and find_spec("triton") else ["simcore/calibrate/kernels/pit_triton.py"]
collect_ignore_glob = [] if find_spec("torch") else ["simcore/real/*"]
