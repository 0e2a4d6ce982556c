"""One module per family of SDKs: `WAYS`, by the names that `matrix.table` gives them."""
