"""Where samples are kept: one module per backend, each proven by testing.py."""
