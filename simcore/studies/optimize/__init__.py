"""The study behind ``simcore optimize``."""
