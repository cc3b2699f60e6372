"""Figures, one module per study: matplotlib without a display, colours of Okabe and Ito, reproducible files."""
