"""Stores in files that people read, compare and commit: their text, and how they are kept."""
