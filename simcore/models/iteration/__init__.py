"""A training iteration, event by event: what a loop computes, what it sends, and what waits for what."""
