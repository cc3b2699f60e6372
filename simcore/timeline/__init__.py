"""Timelines that ui.perfetto.dev opens: `slices` on tracks, and the GPUs of a `cluster` run."""
