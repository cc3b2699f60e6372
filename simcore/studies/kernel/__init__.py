"""The study behind ``simcore kernel``."""
