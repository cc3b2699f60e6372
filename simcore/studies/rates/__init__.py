"""The study behind ``simcore rates``."""
