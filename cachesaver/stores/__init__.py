"""Where samples are kept: one module per backend, each proven by testing.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cachesaver.errors import ConfigurationError, StoreUnavailableError
from cachesaver.plugins import STORES, plugins
from cachesaver.ports import Store

__all__ = ["folder_of", "open_store"]


def open_store(url: str | None = None) -> Store:
    """Open the store that *url* names.

    Args:
        url: `lmdb:///absolute/path`, `memory://`, a scheme that an installed package brings, or a
            plain path, which means LMDB. None or empty: a directory of this user.

    Raises:
        ConfigurationError: Nobody knows its scheme.
        StoreUnavailableError: It cannot be opened; the message says why and what to do.
        StoreDamagedError: Its files are not what was written.
    """
    url = url or ""
    if (path := folder_of(url)) is not None:
        return _open_lmdb(path)
    scheme = url.partition("://")[0]
    opener = _OURS.get(scheme) or _third_party(scheme)
    if opener is None:
        raise ConfigurationError(
            f"no store is known for {scheme}://; write one of {_known()}, or a plain path."
        )
    return opener(url)


def folder_of(url: str) -> Path | None:
    """Return where the LMDB store lies that `open_store` would open; None for other stores.

    Raises:
        ConfigurationError: The URL names no path.
    """
    if not url:
        return _default()
    scheme, found, _ = url.partition("://")
    if not found:
        return Path(url).expanduser()
    return _named(url) if scheme == "lmdb" else None


def _memory(url: str) -> Store:
    from cachesaver.stores.memory import MemoryStore

    if url != "memory://":
        raise ConfigurationError("a store in memory has no name: write memory://")
    return MemoryStore()


def _lmdb(url: str) -> Store:
    return _open_lmdb(_named(url))


def _named(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            "an LMDB store is named by an absolute path: write lmdb:///absolute/path"
        )
    path = unquote(parts.path)
    return Path(path[1:] if path[2:3] == ":" else path)  # lmdb:///C:/store


def _open_lmdb(path: Path) -> Store:
    try:
        from cachesaver.stores.lmdb import LmdbStore
    except ModuleNotFoundError as error:
        if error.name not in {"lmdb", "zstandard", "orjson"}:
            raise
        raise StoreUnavailableError(
            f"the store {path} needs the package {error.name}, which is not installed here; "
            f"run `pip install {error.name}`, or use store='memory://'.",
            location=str(path),
        ) from error
    return LmdbStore(path)


def _default() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("cachesaver", appauthor=False)


_OURS: dict[str, Callable[[str], Store]] = {"lmdb": _lmdb, "memory": _memory}


def _third_party(scheme: str) -> Callable[[str], Store] | None:
    for point in plugins(STORES):
        if point.name == scheme:
            opener: Callable[[str], Store] = point.load()
            return opener
    return None


def _known() -> str:
    theirs = {point.name for point in plugins(STORES)}
    return ", ".join(f"{scheme}://" for scheme in sorted(theirs | set(_OURS)))
