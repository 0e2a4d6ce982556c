"""What of an environment cachesaver sees: its HTTP clients, whether each hook works, and who uses them."""

from __future__ import annotations

from cachesaver.doctor.checks import Check, check
from cachesaver.doctor.packages import Found, installed

__all__ = ["Check", "Found", "check", "installed"]
