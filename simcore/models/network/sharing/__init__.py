"""Several jobs on shared links."""
