"""Put at the head of PYTHONPATH by `cachesaver run`: only sitecustomize may live here."""
