"""`python -m cachesaver`, the command line."""

from cachesaver.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
