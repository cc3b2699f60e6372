"""Compute models: what one NPU needs for a kernel, a layer or a whole training step."""
