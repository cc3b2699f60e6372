"""The models: networks, compute, training steps and clusters. They know no file format, no YAML and no torch."""
