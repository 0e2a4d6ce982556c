"""Which client libraries a program's provider calls may go through, and how each is reached.

Data only: read by whoever tells users about their environment, and by the documentation. A row says
what was found by a run on the version named; `tests/clients/test_reach.py` runs those that are there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

__all__ = ["CLIENTS", "Client", "Reach"]


class Reach(enum.Enum):
    """How calls of a client are reached."""

    HOOK = "hook"
    """A module of `cachesaver.transports` hooks it: calls are answered."""
    THROUGH = "through"
    """It goes through a client that is hooked: calls are answered."""
    GATEWAY = "gateway"
    """Not hooked. By replay its calls are refused; to have them answered, it is pointed at the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client library.

    Attributes:
        package: As it is installed; empty for what comes with Python.
        imports: The top-level or dotted names it is imported by.
        reach: How its calls are reached.
        by: The module that hooks it, or the client that it goes through; empty for neither.
        note: What its users should know; one clause, may be empty.
        source: Where that was read: the version, and the place.
    """

    package: str
    imports: tuple[str, ...]
    reach: Reach
    by: str = ""
    note: str = ""
    source: str


_OWN_STACK: Final = (
    "it brings its own network stack, in C or Rust: nothing in Python sees a message"
)

CLIENTS: Final[tuple[Client, ...]] = (
    Client(
        package="httpx",
        imports=("httpx",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpx",
        source="httpx 0.28, _client.py: Client._send_single_request",
    ),
    Client(
        package="httpx2",
        imports=("httpx2",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpx",
        source="httpx2 2.16, _client.py: Client._send_single_request",
    ),
    Client(
        package="httpcore",
        imports=("httpcore",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpcore",
        note="a connection that is used without a pool is not seen",
        source="httpcore 1.0, _sync/connection_pool.py: ConnectionPool.handle_request",
    ),
    Client(
        package="httpcore2",
        imports=("httpcore2",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpcore",
        note="a connection that is used without a pool is not seen",
        source="httpcore2 2.16, _sync/connection_pool.py: ConnectionPool.handle_request",
    ),
    Client(
        package="aiohttp",
        imports=("aiohttp",),
        reach=Reach.HOOK,
        by="cachesaver.transports.aiohttp",
        source="aiohttp 3.14, connector.py: BaseConnector.connect",
    ),
    Client(
        package="urllib3",
        imports=("urllib3",),
        reach=Reach.HOOK,
        by="cachesaver.transports.urllib3",
        source="urllib3 2.8, connectionpool.py: HTTPConnectionPool.urlopen",
    ),
    Client(
        package="urllib3-future",
        imports=("urllib3_future",),
        reach=Reach.HOOK,
        by="cachesaver.transports.urllib3",
        note="where it is installed, it is imported as urllib3 too",
        source="urllib3-future 2.25, connectionpool.py, _async/connectionpool.py: urlopen",
    ),
    Client(
        package="lm15",
        imports=("lm15.transports", "dspy._vendor.lm15.transports"),
        reach=Reach.HOOK,
        by="cachesaver.transports.lm15",
        note="DSPy carries it inside",
        source="lm15 1.5, dspy 3.4, transports/_sync.py, _async.py: StdlibTransport.stream",
    ),
    Client(
        package="",
        imports=("http.client",),
        reach=Reach.HOOK,
        by="cachesaver.transports.http_client",
        source="Python 3.11 to 3.14, Lib/http/client.py: HTTPConnection.endheaders",
    ),
    Client(
        package="",
        imports=("urllib.request",),
        reach=Reach.THROUGH,
        by="http.client",
        source="Python 3.11 to 3.14, Lib/urllib/request.py: AbstractHTTPHandler.do_open",
    ),
    Client(
        package="requests",
        imports=("requests",),
        reach=Reach.THROUGH,
        by="urllib3",
        source="requests 2.34, adapters.py: HTTPAdapter.send",
    ),
    Client(
        package="requests-futures",
        imports=("requests_futures",),
        reach=Reach.THROUGH,
        by="requests",
        source="requests-futures 1.1, sessions.py: FuturesSession.request",
    ),
    Client(
        package="niquests",
        imports=("niquests",),
        reach=Reach.THROUGH,
        by="urllib3-future",
        note="calls of a multiplexed session that have to be bought go one after the other",
        source="niquests 3.21, adapters.py: HTTPAdapter.send, AsyncHTTPAdapter.send",
    ),
    Client(
        package="httpx-aiohttp",
        imports=("httpx_aiohttp",),
        reach=Reach.THROUGH,
        by="httpx",
        source="httpx-aiohttp 0.2, transport.py: a transport of httpx.AsyncClient",
    ),
    Client(
        package="botocore",
        imports=("botocore",),
        reach=Reach.THROUGH,
        by="urllib3",
        source="botocore 1.44, httpsession.py: URLLib3Session.send",
    ),
    Client(
        package="aiobotocore",
        imports=("aiobotocore",),
        reach=Reach.THROUGH,
        by="aiohttp",
        note="or httpx, where its config says so",
        source="aiobotocore 3.10, httpsession.py: AIOHTTPSession.send, httpxsession.py",
    ),
    Client(
        package="tornado",
        imports=("tornado.httpclient",),
        reach=Reach.GATEWAY,
        note="its messages are parsed as they come off its own streams: no one method carries them",
        source="tornado 6.6, simple_httpclient.py: _HTTPConnection.run",
    ),
    Client(
        package="aiosonic",
        imports=("aiosonic",),
        reach=Reach.GATEWAY,
        note="it reads each response from a connection of asyncio's streams, taken from its own pool",
        source="aiosonic 1.3, client.py: HTTPClient.request",
    ),
    Client(
        package="treq",
        imports=("treq",),
        reach=Reach.GATEWAY,
        note="it goes through Twisted's protocols, on Twisted's reactor",
        source="treq 26.7, client.py: HTTPClient.request over twisted.web.client.Agent",
    ),
    Client(
        package="h2",
        imports=("h2",),
        reach=Reach.GATEWAY,
        note="no client but a protocol: whoever uses it owns the socket",
        source="h2 4.4, connection.py",
    ),
    Client(
        package="curl-cffi",
        imports=("curl_cffi",),
        reach=Reach.GATEWAY,
        note=f"{_OWN_STACK}; as a transport of httpx (httpx-curl-cffi) it is reached through httpx",
        source="curl_cffi 0.17, curl.py: Curl.perform; aio.py: AsyncCurl.add_handle",
    ),
    Client(
        package="pycurl",
        imports=("pycurl",),
        reach=Reach.GATEWAY,
        note=_OWN_STACK,
        source="pycurl 7.49, a class in C: Curl.perform",
    ),
    Client(
        package="primp",
        imports=("primp",),
        reach=Reach.GATEWAY,
        note=_OWN_STACK,
        source="primp 2.0, a class in Rust: Client.request",
    ),
    Client(
        package="rnet",
        imports=("rnet",),
        reach=Reach.GATEWAY,
        note=_OWN_STACK,
        source="rnet 2.4, a class in Rust: Client.request",
    ),
    Client(
        package="grpcio",
        imports=("grpc",),
        reach=Reach.GATEWAY,
        note=f"{_OWN_STACK}, and its calls are no HTTP requests: use the SDK's HTTP transport",
        source="grpcio 1.85, _channel.py",
    ),
)
"""Those that are hooked, those that go through them, and those that are not reached."""
