"""Calls and responses of urllib3 as our requests and replies, and ours as theirs.

Translation only: nothing here asks a gate or decides whether a request is ours. urllib3 is not
imported; *lib* is the one in question, 2.x or 1.26.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from cachesaver.exchange import Headers, Reply, Request, get_header
from cachesaver.transports.bodies import Body, Parts, is_content, read_body

if TYPE_CHECKING:
    import urllib3

__all__ = [
    "Call",
    "absolute",
    "call_of",
    "is_fork",
    "ours",
    "read",
    "repeating",
    "reply",
    "retries",
    "sending",
    "theirs",
    "with_parts",
]

_BLOCK: Final = 65536
_READING: Final = ("preload_content", "decode_content", "enforce_content_length")
_SWITCHING_PROTOCOLS: Final = 101
_VERSIONS: Final = {10: "HTTP/1.0", 20: "HTTP/2"}

_PARAMETERS: Final = (
    *("method", "url", "body", "headers", "retries", "redirect", "assert_same_host", "timeout"),
    *("pool_timeout", "release_conn", "chunked", "body_pos", "preload_content", "decode_content"),
    # Of a fork of it (see urllib3_future):
    *("on_post_connection", "on_upload_body", "on_early_response", "extension", "multiplexed"),
)
"""Of `HTTPConnectionPool.urlopen`, in order: those that callers may give by position."""

Call = dict[str, Any]
"""The arguments of one call of `urlopen`, by name; what was left out is not in it."""


def call_of(*args: object, **kwargs: object) -> Call:
    """Return the arguments of a call of `urlopen` by name."""
    return {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}


# --- requests


def read(lib: Any, call: Call) -> Body:
    """Read the body of *call*."""
    return read_body(
        call.get("body"),
        # 1.26 leaves it to http.client, which encodes text in the old way of HTTP.
        charset="iso-8859-1" if _is_old(lib) else "utf-8",
        length=_declared_length(call),
        position=call.get("body_pos"),
    )


def _declared_length(call: Call) -> int:
    given: Mapping[object, object] = call.get("headers") or {}
    length = get_header(tuple((_text(n), _text(v)) for n, v in given.items()), "content-length")
    return int(length) if length is not None and length.isdecimal() else -1


def ours(lib: Any, pool: Any, call: Call, body: bytes) -> Request:
    """Return the request that *call* of *pool* makes, with *body* as its body."""
    skip: str = lib.util.SKIP_HEADER
    headers: Any = pool.headers if call.get("headers") is None else call["headers"]
    return Request(
        method=cast("str", call["method"]).upper(),
        url=absolute(lib, pool, call["url"]),
        headers=tuple((_text(n), _text(v)) for n, v in headers.items() if v != skip),
        body=body,
    )


def absolute(lib: Any, pool: Any, url: str) -> str:
    """Return *url* as it goes out; one that begins with a slash is relative to *pool*."""
    if url.startswith("/"):
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        default = lib.connection.port_by_scheme.get(pool.scheme)
        port = "" if pool.port in {None, default} else f":{pool.port}"
        url = f"{pool.scheme}://{host}{port}{url}"
    return cast("str", lib.util.parse_url(url)._replace(fragment=None).url)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def sending(lib: Any, call: Call, asked: Request, wanted: Request) -> Call:
    """Return the call that sends *wanted*; like *call*, which is *asked*, in all the rest.

    Its response is left unread, undecoded and in hold of its connection.
    """
    same_headers = wanted.headers == asked.headers
    sent = {
        "method": call["method"] if wanted.method == asked.method else wanted.method,
        "url": call["url"] if wanted.url == asked.url else _target(call["url"], wanted.url),
        "headers": call.get("headers") if same_headers else _headers(lib, call, wanted.headers),
        "preload_content": False,
        "decode_content": False,
        # The fork finds a response's connection by itself; a promise has no response to show.
        **({"multiplexed": False} if is_fork(lib) else {"release_conn": False}),
    }
    return call | sent | _content(call, wanted, same_headers=same_headers)


def repeating(call: Call, asked: Request, left: object) -> Call:
    """Return *call*, which is *asked*, once more with the `Retry` *left*; its body may be used up."""
    return call | _content(call, asked, same_headers=True) | {"retries": left}


def with_parts(lib: Any, call: Call, body: Body) -> Call:
    """Return *call*, whose *body* is read, so that it is sent with the seams that it came with."""
    return call | {"body": body.parts} if body.parts and not is_fork(lib) else call


def _content(call: Call, wanted: Request, *, same_headers: bool) -> Call:
    given = call.get("body")
    whole = wanted.body if wanted.body or given is not None else None
    return {
        "body": given if isinstance(given, Parts) and given.content == whole else whole,
        "chunked": _is_chunked(call, wanted, same_headers=same_headers),
        "body_pos": None,
    }


def _is_chunked(call: Call, wanted: Request, *, same_headers: bool) -> bool:
    chunked = bool(call.get("chunked"))
    if wanted.header("content-length") is not None:
        return chunked and same_headers
    return chunked or not is_content(call.get("body"))


def _target(old: str, new: str) -> str:
    """Return *new* in the form of *old*: absolute, or without scheme and host."""
    return "/" + new.split("/", 3)[3] if old.startswith("/") else new


def _headers(lib: Any, call: Call, headers: Headers) -> Any:
    given: Mapping[object, object] = call.get("headers") or {}
    skip: str = lib.util.SKIP_HEADER
    made = lib.response.HTTPHeaderDict()
    for name, value in headers:
        made.add(name, value)
    for left_out in (name for name, value in given.items() if value == skip):
        made[_text(left_out)] = skip
    return made


# --- responses


def reply(lib: Any, native: urllib3.BaseHTTPResponse) -> Reply:
    """Return *native*, whose body is still to be read, as ours."""
    chunks, close = _body(lib, native)
    return Reply(
        status=native.status,
        headers=tuple(native.headers.items()),
        chunks=chunks,
        close=close,
        reason=native.reason or "",
        http_version=_VERSIONS.get(native.version, "HTTP/1.1"),
        native=native,
    )


def _body(lib: Any, native: Any) -> tuple[Iterator[bytes], Callable[[], None]]:
    # HTTP/2, or made by a mock: already read.
    if not isinstance(native, lib.HTTPResponse) or native._fp is None:  # noqa: SLF001 - no other sign
        _give_back(native)
        return iter((native.data or b"",)), native.close

    def close() -> None:
        native.close()
        native.release_conn()

    return _chunks(lib, native), close


def _let_go(pool: Any, connection: Any) -> None:
    """Close *connection*, if there is one, and give its slot back to *pool*, as `urlopen` does."""
    if connection is not None:
        connection.close()
        pool._put_conn(connection)  # noqa: SLF001 - as `release_conn`


def _give_back(native: Any) -> None:
    """Do what `release_conn` does, which responses over HTTP/2 do not have."""
    pool = getattr(native, "_pool", None)
    if pool is not None and (connection := _taken(native)) is not None:
        pool._put_conn(connection)  # noqa: SLF001 - as `release_conn`


def _taken(native: Any) -> Any:
    """Take the connection that *native* holds, and return it; None if it holds none."""
    if (connection := getattr(native, "_connection", None)) is not None:
        native._connection = None  # noqa: SLF001 - nobody else lets go of it without closing it
    return connection


def _chunks(lib: Any, native: Any) -> Iterator[bytes]:
    """Iterate the body as it arrives, each HTTP chunk as one; then the connection is given back."""
    if native.chunked and native.supports_chunked_reads() and not is_fork(lib):
        yield from native.read_chunked(decode_content=False)
        return
    while chunk := _arrived(native):
        yield chunk


def _arrived(native: Any) -> bytes:
    """Wait for bytes of the body and return what is there; none at its end."""
    if hasattr(native, "read1"):
        return cast("bytes", native.read1(_BLOCK, decode_content=False))
    # Before 2.1: what lies in the buffer can be read without waiting for more.
    with native._error_catcher():  # noqa: SLF001 - as `read` does
        source = native._fp  # noqa: SLF001 - as above
        ready = len(source.fp.peek()) if source.fp is not None and source.length != 0 else 0
    return cast("bytes", native.read(max(1, ready), decode_content=False))


def theirs(
    lib: Any,
    pool: Any,
    call: Call,
    asked: Request,
    shown: Reply,
    parse: Callable[[Reply, str], Any],
) -> urllib3.BaseHTTPResponse:
    """Return *shown* as the response to *call* of *pool*, which is *asked*.

    It holds no connection but the live one that *call* wants held. *parse* makes what it reads from,
    of a reply and the method it answers.

    Raises:
        urllib3.exceptions.HTTPError: The body was to be read at once, and broke off.
    """
    native: Any = shown.native
    if native is not None and shown.status == _SWITCHING_PROTOCOLS:
        return cast("urllib3.HTTPResponse", native)
    connection: Any = None if is_fork(lib) or _releases(call) else _taken(native)
    try:
        original = parse(shown, call["method"])
    except BaseException:
        _let_go(pool, connection)
        raise
    try:
        made = lib.HTTPResponse(
            body=original,
            headers=lib.response.HTTPHeaderDict(original.msg.items()),
            status=original.status,
            version=original.version,
            reason=original.reason,
            original_response=original,
            pool=pool,
            connection=connection,
            retries=retries(lib, pool, call) if native is None else native.retries,
            request_method=call["method"],
            # 1.26 does not tell its responses.
            request_url=None if _is_old(lib) else _target(call["url"], asked.url),
            **{n: call[n] for n in _READING if n in call},
        )
    except BaseException:
        original.close()
        raise
    return _as_live(made, native)


def _as_live(made: Any, native: Any) -> urllib3.HTTPResponse:
    """Return *made* with what responses have by their connections, in versions that have it."""
    if hasattr(made, "version_string"):
        made.version_string = getattr(native, "version_string", "HTTP/1.1")
    # `shutdown` goes by the former, in a fork by itself.
    for name in ("_sock_shutdown", "shutdown"):
        if hasattr(native, name):
            setattr(made, name, getattr(native, name))
            break
    return cast("urllib3.HTTPResponse", made)


def _releases(call: Call) -> bool:
    """Tell whether the response to *call* is to hold no connection."""
    released = call.get("release_conn")
    return bool(call.get("preload_content", True) if released is None else released)


def retries(lib: Any, pool: Any, call: Call) -> Any:
    """Return the `Retry` that *call* of *pool* begins with."""
    return lib.Retry.from_int(
        call.get("retries"), redirect=call.get("redirect", True), default=pool.retries
    )


def is_fork(lib: Any) -> bool:
    """Tell whether *lib* is urllib3.future, which may be imported as urllib3."""
    return hasattr(lib, "AsyncHTTPConnectionPool")


def _is_old(lib: Any) -> bool:
    return cast("str", lib.__version__).startswith("1.")
