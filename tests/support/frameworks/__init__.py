"""Agent frameworks, installed as they are and run under cachesaver: `make frameworks`.

A framework is a folder of tests/frameworks: `about.toml`, `requirements.txt` and `agent.py`, and what
was found the last time, `result.json`; docs/how-to has a page on it.
"""

from __future__ import annotations

from frameworks.catalogue import FOLDERS, Framework, Result, frameworks
from frameworks.report import rendered

__all__ = ["FOLDERS", "Framework", "Result", "frameworks", "rendered"]
