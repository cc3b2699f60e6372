"""Input files, each read once."""
