"""The study behind ``simcore evaluate``."""
