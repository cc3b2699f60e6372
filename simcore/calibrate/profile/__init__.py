"""From samples to a kernel profile."""
