"""HTTP/1 requests in what a connection is sent, however it is cut into writes. No I/O.

Not a parser for servers: it finds the heads of requests, and the names of what each body has. What is
no HTTP costs a look at its first byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from cachesaver.suspicion import may_be_asked
from cachesaver.topnames import NOTHING, Reading, read

__all__ = ["START", "Sent", "State", "may_begin", "step"]

_LINE: Final = re.compile(rb"([A-Z]{3,20}) (\S+) HTTP/1\.[01]\r?\n")
"""https://www.rfc-editor.org/rfc/rfc9112#section-3: a request line, to its end."""

_TARGET: Final = re.compile(rb"([A-Z]{3,20}) (\S+) H")
"""As much of one as tells what is asked for: lenient servers do not wait for the rest."""

_PART: Final = re.compile(
    rb"[A-Z]{1,20}(?: \S*(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.[01]?\r?)?)?)?)?)?)?)?)?)?"
)
"""What may become one."""

_END: Final = re.compile(rb"\r?\n\r?\n")
_FIELD: Final = re.compile(rb"^([^\s:]+):[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)

HEAD: Final = 65536
"""The most bytes of a head that are kept; a longer one is taken as it is by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request that has been, or is about to be, sent so far.

    Attributes:
        method: Upper case.
        target: As it stands on the request line (RFC 9112, section 3.2).
        headers: In order, as they stand.
        names: Of the members of the body so far, where they matter; None where it cannot be read.
        is_whole: Whether the head has come to its end, so that no header is missing.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    names: frozenset[str] | None = frozenset()
    is_whole: bool = True

    def header(self, name: str) -> str:
        """Return the first value of the header *name*, given in lower case; else empty."""
        return next((value for found, value in self.headers if found.lower() == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a connection is.

    Attributes:
        head: What has come of a head, or of what may become one.
        sent: The request whose body is being sent; None between requests.
        left: How many bytes of that body are missing; None where only its end tells.
        reading: Where in that body it is; None where nothing in it matters.
    """

    head: bytes = b""
    sent: Sent | None = None
    left: int | None = 0
    reading: Reading | None = None


START: Final = State()


def may_begin(data: memoryview) -> bool:
    """Tell whether *data* may begin a request. Most that is not HTTP does not."""
    return bool(data) and (65 <= data[0] <= 90 or data[0] in b"\r\n")  # noqa: PLR2004  # A to Z


def step(state: State, data: memoryview) -> tuple[State, tuple[Sent, ...]]:
    """Return the state after the bytes *data* of one write, and what of each request it holds.

    A request comes up as soon as its target is complete, and again whenever more of it is there.
    """
    found: list[Sent] = []
    if state.sent is not None and state.left is None and _LINE.match(bytes(data[:HEAD])):
        state = START  # the end of a body whose length was not told
    while data:
        if state.sent is None:
            state, data = _head(state, data)
            if state.sent is None:
                found += _begun(state)
                break
            found.append(state.sent)
        state, data, grown = _body(state, data)
        found += grown
    return state, tuple(found)


def _head(state: State, data: memoryview) -> tuple[State, memoryview]:
    """Return the state after as much of *data* as belongs to a head, and the rest of it."""
    held = len(state.head)
    head = state.head + bytes(data[:HEAD])
    skipped = len(head) - len(head.lstrip(b"\r\n"))  # RFC 9112, section 2.2
    line = _LINE.match(head, skipped)
    if line is None:
        if len(head) < HEAD and _PART.fullmatch(head, skipped):
            return State(head=head), data[len(data) :]
        # What was held was none; this write may begin one all the same.
        return _head(START, data) if held else (START, data[len(data) :])
    end = _END.search(head, line.end() - 2)
    if end is None and len(head) < HEAD:
        return State(head=head), data[len(data) :]
    stop = len(head) if end is None else end.end()
    return _opened(line, head[line.end() : stop]), data[stop - held :]


def _begun(state: State) -> Iterator[Sent]:
    """What is known of a request whose head is on its way."""
    head = state.head.lstrip(b"\r\n")
    if line := _TARGET.match(head):
        yield replace(_sent(line, head.partition(b"\n")[2]), is_whole=False)


def _sent(line: re.Match[bytes], fields: bytes) -> Sent:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in _FIELD.findall(fields)
    )
    return Sent(method=line[1].decode(), target=line[2].decode("latin-1"), headers=headers)


def _opened(line: re.Match[bytes], fields: bytes) -> State:
    sent = _sent(line, fields)
    length = sent.header("content-length")
    reading = NOTHING if _matters(sent) else None
    if sent.header("transfer-encoding"):
        return State(sent=sent, left=None, reading=reading)
    left = int(length) if length.isascii() and length.isdigit() else 0
    return State(sent=sent, left=left, reading=reading)


def _matters(sent: Sent) -> bool:
    """Tell whether the body of *sent* may say something: most are not worth reading."""
    target = sent.target.partition("?")[0]
    path = target if target.startswith("/") else f"/{target.partition('//')[2].partition('/')[2]}"
    return may_be_asked(sent.method, "", path)


def _body(state: State, data: memoryview) -> tuple[State, memoryview, Iterator[Sent]]:
    """The same for a body; and the request, where more of its body is known."""
    sent = state.sent
    if sent is None or state.left == 0:
        return START, data, iter(())
    taken = data if state.left is None else data[: state.left]
    reading, names = state.reading, sent.names
    if reading is not None:
        reading = read(reading, bytes(taken))
        names = reading.names
    is_more = names != sent.names
    sent = replace(sent, names=names)
    left = None if state.left is None else state.left - len(taken)
    after = State(sent=sent, left=left, reading=reading) if left != 0 else START
    return after, data[len(taken) :], iter((sent,) if is_more else ())
