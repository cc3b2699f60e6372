"""Schedules of collectives: in which order chunks cross the dimensions."""
