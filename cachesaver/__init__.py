"""Intercept every LLM call of a process and answer it from a namespaced store of samples."""
