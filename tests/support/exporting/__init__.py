"""What `cachesaver cassette export` writes, replayed by every vcrpy."""
