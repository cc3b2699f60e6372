"""Parallel training: an architecture, its operators, and the time of an iteration."""
