"""Tools that record and replay, side by side: what each is put through, in an environment of its own."""
