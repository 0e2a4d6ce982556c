"""Models in this very process, behind a host that is none: reached by any client without a socket."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from cachesaver.errors import ConfigurationError
from cachesaver.mounts import Mount
from cachesaver.wiring import mount as mount_host

if TYPE_CHECKING:
    from cachesaver.local.app.served import Served

__all__ = ["Mounted", "mount"]


class Mounted:
    """What is mounted, until it is closed.

    Attributes:
        host: That it answers for.
    """

    def __init__(self, host: str, *models: Served) -> None:
        from cachesaver.local.app.application import application
        from cachesaver.local.app.door import Door
        from cachesaver.local.app.served import Shop
        from cachesaver.local.bridge import Bridge

        self.host = host
        self._shop = Shop(models)
        self._bridge = Bridge(application(self._shop, Door(None, None)))
        self._undo = mount_host(
            host, Mount(send=self._bridge.send, asend=self._bridge.asend, numbers=True)
        )

    def __repr__(self) -> str:
        return f"<Mounted at {self.host}: {', '.join(self._shop.models)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer no more, end what is under way, and close the engines. Safe to call twice."""
        self._undo()
        self._bridge.close()
        self._shop.close()


def mount(url: str, *models: Served | str) -> Mounted:
    """Let *models* answer for the host of *url*, in this process.

    Used like::

        with mount("http://local", "Qwen/Qwen3-0.6B"):
            client = OpenAI(base_url="http://local/v1", api_key="none")

    Every client that `cachesaver` sees reaches it, with a session installed or without.

    Args:
        url: A scheme and a host that is none, such as `http://local`.
        models: Folders, ids on the hub, or what `cachesaver.local.loading` gives.

    Raises:
        ConfigurationError: The URL is none, something is mounted there, the extra is missing, or there
            is no such model.
    """
    host = urlsplit(url).hostname
    if not host or urlsplit(url).path.strip("/") or not models:
        raise ConfigurationError(
            f"a mount has a scheme and a host, as in 'http://local', and a model: not {url!r}"
        )
    return Mounted(host, *(_loaded(each) for each in models))


def _loaded(model: Served | str) -> Served:
    if not isinstance(model, str):
        return model
    try:
        from cachesaver.local.loading import load
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "transformers", "starlette", "pydantic"}:
            raise
        raise ConfigurationError(
            f"a local model needs {error.name}, which is not installed. Install it with:\n"
            "    pip install 'cachesaver[local]'"
        ) from error
    return load(model)
