"""The studies: one file per command, which resolves names and files, runs the models and returns a result."""
