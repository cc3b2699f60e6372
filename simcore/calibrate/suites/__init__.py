"""What is measured: cases by suite."""
