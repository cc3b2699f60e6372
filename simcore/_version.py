"""The version, in a module that imports nothing, so that packaging can read it without the dependencies."""

__version__ = "0.1.0"
