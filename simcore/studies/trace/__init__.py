"""The study behind ``simcore trace``."""
