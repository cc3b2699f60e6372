"""The study behind ``simcore train``."""
