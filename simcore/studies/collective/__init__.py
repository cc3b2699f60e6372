"""The study behind ``simcore collective``."""
