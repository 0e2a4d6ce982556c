"""SDK by SDK, and client by client: is every answer, error and time limit as it is without us?

`table` says which SDKs there are, `sdks/` how each is called, `programs` what is done with it, `judge`
what must have come of that. A row is performed in processes of its own (`play`).
"""
