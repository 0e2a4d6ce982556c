"""Bodies of requests in every form that blocking clients take."""

from __future__ import annotations

import array
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cachesaver.transports import bodies
from cachesaver.transports.bodies import Body, is_content, read_body


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(bodies, "LARGEST_BODY", 8)
    return 8


def parts(*each: Any) -> Iterator[Any]:
    yield from each


def iterated(source: object) -> Iterator[object]:
    assert isinstance(source, Iterable)
    return iter(cast("Iterable[object]", source))


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (None, b""),
        (b"bytes", b"bytes"),
        (bytearray(b"bytes"), b"bytes"),
        (memoryview(b"bytes"), b"bytes"),
        (array.array("H", [0x4142]), array.array("H", [0x4142]).tobytes()),
        ("é", b"\xc3\xa9"),
        ([b"a", "é", bytearray(b"b"), memoryview(b"c")], b"a\xc3\xa9bc"),
        ((b"a", b"b"), b"ab"),
        (io.BytesIO(b"file"), b"file"),
        (io.StringIO("é"), b"\xc3\xa9"),
    ],
)
def test_what_is_there_is_read(body: object, content: bytes) -> None:
    assert read_body(body).content == content


def test_text_is_encoded_as_the_client_would() -> None:
    found = [read_body(body, charset="iso-8859-1") for body in ("é", ["é"], io.StringIO("é"))]

    assert [each.content for each in found] == [b"\xe9"] * 3


def test_an_iterator_is_read_once() -> None:
    body = parts(b"one ", b"two")

    assert read_body(body).content == b"one two"
    assert list(body) == []


def test_only_an_iterable_has_parts() -> None:
    listed = read_body(["one ", b"", bytearray(b"two")])

    assert (listed.parts, listed.parts.content) == ((b"one ", b"", b"two"), listed.content)
    assert [read_body(body).parts for body in (b"one", io.BytesIO(b"one"))] == [(), ()]


def test_an_iterator_that_is_too_large_is_handed_on_whole(small_limit: int) -> None:
    found = read_body(parts(b"12345", b"67890", b"rest"))

    assert (found.content, found.reason) == (None, "its body is too large to be read first")
    assert list(iterated(found.source)) == [b"12345", b"67890", b"rest"]


def test_an_endless_iterator_is_not_read_to_its_end(small_limit: int) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"more"

    found = read_body(endless())

    assert found.content is None
    assert next(iterated(found.source)) == b"more"


def test_a_list_that_is_too_large_is_left_as_it_is(small_limit: int) -> None:
    body = [b"12345", b"67890"]

    assert read_body(body).source is body


def test_a_file_that_is_too_large_is_put_back(small_limit: int) -> None:
    file = io.BytesIO(b"--1234567890")
    file.seek(2)

    found = read_body(file)

    assert (found.content, found.source, file.tell()) == (None, file, 2)


def test_a_file_is_read_from_where_it_stands_to_its_end() -> None:
    file = io.BytesIO(b"skipped body")
    file.seek(8)

    assert read_body(file).content == b"body"
    assert file.tell() == 12


def test_a_file_is_read_from_where_it_is_said_to_begin() -> None:
    file = io.BytesIO(b"skipped body")

    assert read_body(file, position=8).content == b"body"


def test_a_file_on_disk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"x" * 100_000)

    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        assert read_body(file).content == read_body(raw).content == b"x" * 100_000


def test_a_pipe_is_left_unread() -> None:
    """Given a pipe that nobody writes to, reading it would wait for ever."""
    there, here = os.pipe()
    with os.fdopen(there, "rb", buffering=0) as pipe, os.fdopen(here, "wb"):
        found = read_body(pipe)

    assert (found.source, found.reason) == (pipe, "its body is a file of unknown length")


@pytest.mark.parametrize(("length", "content"), [(4, b"body"), (2**40, None), (-1, None)])
def test_a_pipe_of_declared_length_is_read_unless_that_is_too_large(
    length: int, content: bytes | None
) -> None:
    there, here = os.pipe()
    with os.fdopen(there, "rb") as pipe:
        with os.fdopen(here, "wb") as end:
            end.write(b"body")
        found = read_body(pipe, length=length)
        left = pipe.read()

    assert (found.content, left) == (content, b"" if content else b"body")


def test_a_file_that_cannot_go_where_its_body_begins_is_left_to_the_client() -> None:
    class Forward(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("was read")

    file, rest = Forward(), iter([b"a"])

    assert read_body(file, position=0, length=4).source is file
    assert read_body(rest, position=0).source is rest


def test_what_is_not_made_of_bytes_is_left_to_the_client() -> None:
    listed, once = [b"a", 1], parts(b"a", 1, b"b")

    assert read_body(listed) == Body(source=listed, reason="its body is not made of bytes")
    assert list(iterated(read_body(once).source)) == [b"a", 1, b"b"]
    assert read_body(5) == Body(source=5, reason="its body is of no known kind")


def test_what_an_iterator_raises_is_raised() -> None:
    def breaking() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("in between")

    with pytest.raises(LookupError, match="in between"):
        read_body(breaking())


@pytest.mark.parametrize(
    ("body", "there"), [(None, True), ("a", True), (b"a", True), ([b"a"], False)]
)
def test_content_is_told_from_what_has_to_be_read(body: object, there: bool) -> None:  # noqa: FBT001
    assert is_content(body) is there
