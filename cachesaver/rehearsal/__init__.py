"""A simulated provider on loopback, for tests, demos and rehearsals."""
