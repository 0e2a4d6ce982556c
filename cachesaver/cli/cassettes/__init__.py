"""What `cachesaver cassette` does; see cachesaver/cli/cassette.py for what it takes."""
