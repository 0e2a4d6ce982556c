"""The gateway on a socket: what it is told to do, its start and its end."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cachesaver.errors import ConfigurationError
from cachesaver.gateway.admission import Admission
from cachesaver.gateway.providers import PROVIDERS
from cachesaver.gateway.routing import Map, checked_origin, checked_pattern, is_pattern
from cachesaver.gateway.sessions import Sessions
from cachesaver.session import Session

if TYPE_CHECKING:
    from cachesaver.gateway.app import App
    from cachesaver.gateway.serving import Service

__all__ = ["LARGEST_BODY", "Gateway"]

LARGEST_BODY = 64 * 1024 * 1024

_GRACE = 10.0

_MISSING = (
    "the gateway needs uvicorn and httpx2, which are not installed. Install them with:\n"
    "    pip install 'cachesaver[gateway]'"
)


class Gateway:
    """A local reverse proxy that answers every provider call it is sent from the store.

    For what runs outside this process, or speaks HTTP by a stack of its own. Used like::

        with Gateway(namespace="exp1") as gateway:
            subprocess.run(["node", "agent.js"], env={**os.environ, **gateway.variables()})
        print(gateway.session.stats())

    Calls that name no id for their draws (`x-cachesaver-request-id`) draw in the order in which they
    arrive, question by question.

    Args:
        namespace: As of `cachesaver.install`, and so is all of *options*: `store`, `mode`, `run` ...
        port: 0 for any that is free.
        listen: The address to listen at. Another one than of loopback needs a *key*.
        key: 16 or more characters that every request must bring; None: none.
        allow: Hosts beside the known providers' that calls may go to (`"api.acme.test"`,
            `"*.acme.test"`, `"localhost:8000"`); without a wildcard also by `http`.
        upstreams: By a provider's name in the path, an address that its calls go to: a new name, or
            one of ours that has moved.
        largest_body: The most bytes of a provider call's body, from 1; what is none is not read first.

    Raises:
        ConfigurationError: A library is missing, or an argument makes no sense.
        StoreUnavailableError: The store cannot be opened.
    """

    def __init__(  # noqa: PLR0913  # one keyword per thing that can be chosen
        self,
        namespace: str | None = None,
        *,
        port: int = 0,
        listen: str = "127.0.0.1",
        key: str | None = None,
        allow: Iterable[str] = (),
        upstreams: Mapping[str, str] | None = None,
        largest_body: int = LARGEST_BODY,
        **options: Any,
    ) -> None:
        _check_libraries()
        if largest_body < 1:
            raise ConfigurationError(f"the largest body cannot be {largest_body} bytes: give more")
        self._listen = "127.0.0.1" if listen == "localhost" else listen.strip("[]")
        self._port = port
        self._largest = largest_body
        self._admission = Admission.of(self._listen, key)
        moved = {name: checked_origin(name, where) for name, where in (upstreams or {}).items()}
        allowed = tuple(checked_pattern(host) for host in allow)
        self._sessions = Sessions({"namespace": namespace, **options})
        named = filter(is_pattern, self._sessions.own.settings.hosts)
        self._map = Map(upstreams=moved, allowed=(*allowed, *named))
        self._service: Service | None = None

    def __repr__(self) -> str:
        return f"<Gateway {f'at {self.url}' if self._service else 'stopped'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def session(self) -> Session:
        """The session of calls that name no run of their own."""
        return self._sessions.own

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:8125`."""
        host = f"[{self._listen}]" if ":" in self._listen else self._listen
        return f"http://{host}:{self._port}"

    def url_of(self, provider: str, *, front: str = "") -> str:
        """Return the base URL of *provider*, a name; *front*: such as `"ns/exp1"`."""
        return "/".join(filter(None, (self.url, front.strip("/"), provider)))

    def variables(self) -> dict[str, str]:
        """Return the environment variables that lead clients here."""
        return {
            name: self.url_of(provider.name) + behind
            for provider in PROVIDERS
            for name, behind in provider.variables.items()
        }

    def start(self) -> Self:
        """Listen; returns when requests are accepted.

        Raises:
            ConfigurationError: There is no such port.
            OSError: The address or the port cannot be had.
        """
        from cachesaver.gateway.serving import Service
        from cachesaver.serving import listening

        if self._service is None:
            sock = listening(self._listen, self._port)
            self._port = sock.getsockname()[1]
            self._service = Service(self._app, sock, grace=_GRACE)
        return self

    def _app(self) -> App:
        from cachesaver.gateway.app import App
        from cachesaver.gateway.upstream import Upstream

        return App(
            sessions=self._sessions,
            upstream=Upstream(),
            admission=self._admission,
            map=self._map,
            largest=self._largest,
        )

    def stop(self, *, at_once: bool = False) -> None:
        """Stop listening, let what is under way end (ten seconds at the most), and close the store.

        Safe to call twice, and *at_once* from another thread while it waits.
        """
        if self._service is not None:
            self._service.stop(at_once=at_once)
        self._service = None
        self._sessions.close()


def _check_libraries() -> None:
    try:
        for library in ("httpx2", "uvicorn"):
            importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise ConfigurationError(_MISSING) from error
