"""Servers of local models, ours and transformers', over models of random weights; no download."""
