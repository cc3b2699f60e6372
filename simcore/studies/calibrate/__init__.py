"""The study behind ``simcore calibrate``."""
