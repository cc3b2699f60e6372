"""One measurement that can be believed."""
