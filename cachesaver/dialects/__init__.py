"""What we know of each provider API: one module per API, tables first; pure, no I/O."""
