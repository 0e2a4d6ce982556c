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
        tested: The release it was tried on last.
        note: What its users should know; one clause, may be empty.
        source: Where in that release it was read.
    """

    package: str
    imports: tuple[str, ...]
    reach: Reach
    by: str = ""
    tested: str
    note: str = ""
    source: str


_OWN_STACK: Final = (
    "it brings its own network stack, in C or Rust: nothing in Python sees a message"
)


def _in_rust(package: str, tested: str, source: str) -> Client:
    return Client(
        package=package,
        imports=(package,),
        reach=Reach.GATEWAY,
        tested=tested,
        note=_OWN_STACK,
        source=source,
    )


CLIENTS: Final[tuple[Client, ...]] = (
    Client(
        package="httpx",
        imports=("httpx",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpx",
        tested="0.28",
        source="_client.py: Client._send_single_request",
    ),
    Client(
        package="httpx2",
        imports=("httpx2",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpx",
        tested="2.16",
        source="_client.py: Client._send_single_request",
    ),
    Client(
        package="httpcore",
        imports=("httpcore",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpcore",
        tested="1.0",
        note="a connection that is used without a pool is not seen",
        source="_sync/connection_pool.py: ConnectionPool.handle_request",
    ),
    Client(
        package="httpcore2",
        imports=("httpcore2",),
        reach=Reach.HOOK,
        by="cachesaver.transports.httpcore",
        tested="2.16",
        note="a connection that is used without a pool is not seen",
        source="_sync/connection_pool.py: ConnectionPool.handle_request",
    ),
    Client(
        package="aiohttp",
        imports=("aiohttp",),
        reach=Reach.HOOK,
        by="cachesaver.transports.aiohttp",
        tested="3.14",
        source="connector.py: BaseConnector.connect",
    ),
    Client(
        package="urllib3",
        imports=("urllib3",),
        reach=Reach.HOOK,
        by="cachesaver.transports.urllib3",
        tested="2.8",
        source="connectionpool.py: HTTPConnectionPool.urlopen",
    ),
    Client(
        package="urllib3-future",
        imports=("urllib3_future",),
        reach=Reach.HOOK,
        by="cachesaver.transports.urllib3",
        tested="2.25",
        note="where it is installed, it is imported as urllib3 too",
        source="connectionpool.py, _async/connectionpool.py: urlopen",
    ),
    Client(
        package="lm15",
        imports=("lm15.transports",),
        reach=Reach.HOOK,
        by="cachesaver.transports.lm15",
        tested="1.5",
        source="transports/_sync.py, _async.py: StdlibTransport.stream",
    ),
    Client(
        package="dspy",
        imports=("dspy._vendor.lm15.transports",),
        reach=Reach.HOOK,
        by="cachesaver.transports.lm15",
        tested="3.4",
        note="it carries lm15 inside",
        source="_vendor/lm15/transports/_sync.py, _async.py: StdlibTransport.stream",
    ),
    Client(
        package="",
        imports=("http.client",),
        reach=Reach.HOOK,
        by="cachesaver.transports.http_client",
        tested="3.13",
        source="Lib/http/client.py: HTTPConnection.endheaders",
    ),
    Client(
        package="",
        imports=("urllib.request",),
        reach=Reach.THROUGH,
        by="http.client",
        tested="3.13",
        source="Lib/urllib/request.py: AbstractHTTPHandler.do_open",
    ),
    Client(
        package="requests",
        imports=("requests",),
        reach=Reach.THROUGH,
        by="urllib3",
        tested="2.34",
        source="adapters.py: HTTPAdapter.send",
    ),
    Client(
        package="requests-futures",
        imports=("requests_futures",),
        reach=Reach.THROUGH,
        by="requests",
        tested="1.1",
        source="sessions.py: FuturesSession.request",
    ),
    Client(
        package="niquests",
        imports=("niquests",),
        reach=Reach.THROUGH,
        by="urllib3-future",
        tested="3.21",
        note="calls of a multiplexed session that have to be bought go one after the other",
        source="adapters.py: HTTPAdapter.send, AsyncHTTPAdapter.send",
    ),
    Client(
        package="httpx-aiohttp",
        imports=("httpx_aiohttp",),
        reach=Reach.THROUGH,
        by="httpx",
        tested="0.2",
        source="transport.py: a transport of httpx.AsyncClient",
    ),
    Client(
        package="litellm",
        imports=("litellm",),
        reach=Reach.THROUGH,
        by="httpx",
        tested="1.110",
        note="what it calls by its core in Rust (`ocr`, transcription by Bedrock, and with "
        "LITELLM_RUST=1 Anthropic's messages) is not seen, and refused by mode='replay'",
        source="rust_bridge/catalog.py: RULES",
    ),
    Client(
        package="botocore",
        imports=("botocore",),
        reach=Reach.THROUGH,
        by="urllib3",
        tested="1.44",
        source="httpsession.py: URLLib3Session.send",
    ),
    Client(
        package="aiobotocore",
        imports=("aiobotocore",),
        reach=Reach.THROUGH,
        by="aiohttp",
        tested="3.10",
        note="or httpx, where its config says so",
        source="httpsession.py: AIOHTTPSession.send, httpxsession.py",
    ),
    Client(
        package="tornado",
        imports=("tornado.httpclient",),
        reach=Reach.GATEWAY,
        tested="6.6",
        note="its messages are parsed as they come off its own streams: no one method carries them",
        source="simple_httpclient.py: _HTTPConnection.run",
    ),
    Client(
        package="aiosonic",
        imports=("aiosonic",),
        reach=Reach.GATEWAY,
        tested="1.3",
        note="it reads each response from a connection of asyncio's streams, taken from its own pool",
        source="client.py: HTTPClient.request",
    ),
    Client(
        package="treq",
        imports=("treq",),
        reach=Reach.GATEWAY,
        tested="26.7",
        note="it goes through Twisted's protocols, on Twisted's reactor",
        source="client.py: HTTPClient.request over twisted.web.client.Agent",
    ),
    Client(
        package="h2",
        imports=("h2",),
        reach=Reach.THROUGH,
        by="httpcore",
        tested="4.4",
        note="no client but a protocol; HTTP/2 by httpx and httpcore is answered above it, and only what "
        "uses it without them is not seen: point that at `cachesaver gateway`",
        source="httpcore 1.0, _sync/http2.py",
    ),
    Client(
        package="curl-cffi",
        imports=("curl_cffi",),
        reach=Reach.GATEWAY,
        tested="0.17",
        note=f"{_OWN_STACK}; as a transport of httpx (httpx-curl-cffi) it is reached through httpx",
        source="curl.py: Curl.perform; aio.py: AsyncCurl.add_handle",
    ),
    Client(
        package="pycurl",
        imports=("pycurl",),
        reach=Reach.GATEWAY,
        tested="7.49",
        note=_OWN_STACK,
        source="a class in C: Curl.perform",
    ),
    _in_rust("primp", "2.0", "a class in Rust: Client.request"),
    _in_rust("rnet", "2.4", "a class in Rust: Client.request"),
    _in_rust("impit", "0.15", "a class in Rust: Client.request"),
    _in_rust("httpr", "0.7", "a class in Rust: RClient.request"),
    _in_rust("pyreqwest", "0.15", "classes in Rust: ConsumedRequest.send, StreamRequest"),
    Client(
        package="grpcio",
        imports=("grpc",),
        reach=Reach.GATEWAY,
        tested="1.85",
        note=f"{_OWN_STACK}, and its calls are no HTTP requests: use the SDK's HTTP transport",
        source="_channel.py",
    ),
)
"""Those that are hooked, those that go through them, and those that are not reached."""
