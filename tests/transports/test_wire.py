"""HTTP/1.1 framing, by the bytes."""

from __future__ import annotations

import pytest

from cachesaver.exchange import Headers, Reply, Response
from cachesaver.transports.wire import Wire

AS_RECEIVED = object()
CHUNKED = ("Transfer-Encoding", "chunked")


def reply(
    *chunks: bytes,
    status: int = 200,
    headers: Headers = (),
    native: object = None,
    reason: str = "",
    http_version: str = "HTTP/1.1",
) -> Reply:
    whole = Response(status=status, headers=headers, chunks=chunks)
    return Reply(
        status=status,
        headers=headers,
        chunks=iter(chunks),
        close=lambda: None,
        whole=None if native else whole,
        native=native,
        reason=reason,
        http_version=http_version,
    )


def pieces(reply: Reply) -> list[bytes]:
    wire = Wire(reply)
    return [wire.head(), *(wire.chunk(chunk) for chunk in reply.chunks), wire.end()]


def test_a_body_in_one_piece_gets_its_length() -> None:
    head = b"HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 4\r\n\r\n"

    assert pieces(reply(b"body", headers=(("a", "b"),))) == [head, b"", b"body"]


def test_a_body_in_several_pieces_is_sent_in_chunks() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert pieces(reply(b"a", b"b" * 16)) == [
        head,
        b"1\r\na\r\n",
        b"10\r\n" + b"b" * 16 + b"\r\n",
        b"0\r\n\r\n",
    ]


@pytest.mark.parametrize(
    ("came", "went"),
    [
        pytest.param(
            (("content-length", "9"), ("a", "b")), (("content-length", "2"), ("a", "b")), id="stale"
        ),
        pytest.param(
            (("Content-Length", "2"), ("content-length", "9")), (("Content-Length", "2"),), id="two"
        ),
        pytest.param((("content-length", "9"), CHUNKED), (CHUNKED,), id="both"),
        pytest.param((), (CHUNKED,), id="none"),
    ],
)
def test_there_is_one_true_framing_header(came: Headers, went: Headers) -> None:
    head = Wire(reply(b"a", b"b", headers=came)).head()

    assert head == b"HTTP/1.1 200 OK\r\n%b\r\n" % b"".join(
        f"{name}: {value}\r\n".encode() for name, value in went
    )


@pytest.mark.parametrize(
    ("headers", "chunks", "expected"),
    [
        pytest.param((("Content-Length", "2"),), (b"a", b"b"), [b"a", b"", b"b"], id="length"),
        pytest.param((CHUNKED,), (b"a",), [b"1\r\na\r\n", b"0\r\n\r\n"], id="chunked"),
        pytest.param((), (b"a", b"b"), [b"a", b"b", b""], id="closing"),
        pytest.param(
            (("Content-Length", "x"),), (b"a",), [b"1\r\na\r\n", b"0\r\n\r\n"], id="nonsense"
        ),
    ],
)
def test_what_was_just_received_keeps_its_framing(
    headers: Headers, chunks: tuple[bytes, ...], expected: list[bytes]
) -> None:
    assert pieces(reply(*chunks, headers=headers, native=AS_RECEIVED))[1:] == expected


def test_a_length_that_others_claim_is_not_believed() -> None:
    """Given a reply that is neither whole nor just received, then its length is unknown."""
    claimed = Reply(
        status=200, headers=(("Content-Length", "9"),), chunks=iter((b"a",)), close=lambda: None
    )

    assert pieces(claimed)[1:] == [b"1\r\na\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (reply(b"a", native=AS_RECEIVED), True),
        (reply(b"a", headers=(("Content-Length", "2"),), native=AS_RECEIVED), True),
        (reply(b"ab", headers=(("Content-Length", "2"),), native=AS_RECEIVED), False),
        (reply(b"a", b"b"), False),
    ],
)
def test_closing_is_needed_where_bytes_are_missing_or_the_end_tells(
    made: Reply, *, needed: bool
) -> None:
    wire = Wire(made)
    for chunk in made.chunks:
        wire.chunk(chunk)

    assert wire.closes is needed


@pytest.mark.parametrize(
    "made",
    [
        reply(),
        reply(status=204),
        reply(status=304, headers=(("Content-Length", "9"),)),
        reply(headers=(("Content-Length", "0"),), native=AS_RECEIVED),
    ],
)
def test_a_head_that_is_all_waits_for_the_end(made: Reply) -> None:
    first, last = pieces(made)

    assert first == b""
    assert last.startswith(b"HTTP/1.1 ")


def test_a_bodiless_status_has_no_body_whatever_is_there() -> None:
    made = reply(b"a", status=204, headers=(CHUNKED,))

    assert pieces(made) == [b"", b"", b"HTTP/1.1 204 No Content\r\n\r\n"]


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (reply(status=404), b"HTTP/1.1 404 Not Found"),
        (reply(status=404, reason="Nope"), b"HTTP/1.1 404 Nope"),
        (reply(status=599), b"HTTP/1.1 599 "),
        (reply(native=AS_RECEIVED), b"HTTP/1.1 200 "),
        (reply(http_version="HTTP/1.0"), b"HTTP/1.0 200 OK"),
        (reply(b"a", b"b", http_version="HTTP/1.0"), b"HTTP/1.1 200 OK"),
        (reply(http_version="HTTP/2"), b"HTTP/1.1 200 OK"),
    ],
)
def test_the_status_line(made: Reply, line: bytes) -> None:
    assert b"".join(pieces(made)).partition(b"\r\n")[0] == line


def test_headers_go_out_byte_by_byte() -> None:
    assert b"a: \xe9\r\n" in pieces(reply(headers=(("a", "é"),)))[-1]


def test_no_header_makes_another() -> None:
    wire = Wire(reply(b"{}", headers=(("X", "a\r\n b\r\nSet-Cookie: c=1\n\nd"),)))

    assert b"\r\nX: a  b Set-Cookie: c=1  d\r\n" in wire.head()


@pytest.mark.parametrize("framing", [("Content-Length", "12"), ("Transfer-Encoding", "chunked")])
def test_a_reply_to_head_keeps_the_framing_of_what_does_not_come(framing: tuple[str, str]) -> None:
    shown = Response(status=200, headers=(framing,))
    wire = Wire(
        Reply(
            status=200,
            headers=shown.headers,
            chunks=iter(()),
            close=lambda: None,
            whole=shown,
            bodiless=True,
        )
    )

    told = f"HTTP/1.1 200 OK\r\n{': '.join(framing)}\r\n\r\n".encode()
    assert (wire.head(), wire.end()) == (b"", told)
    assert not wire.closes
