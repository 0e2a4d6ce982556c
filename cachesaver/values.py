"""Values that are made at every call: frozen for whoever writes and checks code, plain when it runs.

A frozen dataclass sets each of its fields through `object.__setattr__`, which takes ten times as long as
an assignment: with dozens of fields for one answer from the store, that shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, eq: bool = True, **options: Any) -> Any:
        """Do what `dataclass(frozen=True)` does; type checkers alone hold that nothing is changed."""
        return dataclass(eq=eq, unsafe_hash=frozen and eq, **options)
