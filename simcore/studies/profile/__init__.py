"""The study behind ``simcore profile``."""
