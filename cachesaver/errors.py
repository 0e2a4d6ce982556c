"""Every error of ours.

CachesaverError
├── ConfigurationError          install(), a command line or an environment variable asks for the impossible
├── NotRecordedError            mode="replay" and no stored sample is free
├── DialectError                a body does not have the form its dialect promises
└── StoreError                  the store cannot do what it was asked to
    ├── StoreUnavailableError   not to be opened: missing library, permission, foreign or newer files
    └── StoreDamagedError       a record or file does not read back as it was written

A client's own exceptions and the provider's errors are never wrapped: they pass through untouched.
No message holds a header, a query string or a body: there are keys and prompts in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "CachesaverError",
    "ConfigurationError",
    "DialectError",
    "NotRecordedError",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
]


class CachesaverError(Exception):
    """Root of all errors of this library. They can be pickled: worker processes raise them too."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep message and facts; a constructor may take other arguments than it passes on."""
        return rebuilt, (type(self), self.args, self.__dict__)


class ConfigurationError(CachesaverError):
    """What was asked for cannot be; the message says what to write instead."""


class DialectError(CachesaverError):
    """A request or response does not have the form its dialect promises.

    Attributes:
        dialect: Such as `"openai.chat"`.
    """

    def __init__(self, message: str, *, dialect: str) -> None:
        self.dialect = dialect
        super().__init__(f"{dialect}: {message}")


class StoreError(CachesaverError):
    """A store failed.

    Attributes:
        location: URL or path of the store, without credentials.
    """

    def __init__(self, message: str, *, location: str) -> None:
        self.location = location
        super().__init__(message)


class StoreUnavailableError(StoreError):
    """The store cannot be opened; the message says why and what to do."""


class StoreDamagedError(StoreError):
    """Something in the store does not read back as it was written."""


class NotRecordedError(CachesaverError):
    """Replay was asked for a sample that is not stored.

    Attributes:
        fingerprint: Of the request that was asked for, 64 hex digits.
        namespace: That was asked in.
    """

    def __init__(
        self, summary: str, *, fingerprint: str, namespace: str, wanted: int, free: int, near: str
    ) -> None:
        self.fingerprint = fingerprint
        self.namespace = namespace
        super().__init__(
            f"{summary} asks for {wanted} sample(s) in namespace {namespace!r}, and {free} of its "
            f"stored samples are free (fingerprint {fingerprint[:12]}).\n{near}\n"
            f"Buy what is missing by running once with mode='cache', or see what is stored with:\n"
            f"    cachesaver stats"
        )


def rebuilt(
    kind: type[CachesaverError], arguments: tuple[object, ...], facts: Mapping[str, object]
) -> CachesaverError:
    """Return the error of *kind* that was pickled with these *arguments* and *facts*."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error
