"""Forms of several parts: taken apart, put together, and left alone where they are none."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.multipart import Part, read_parts, write_parts

KIND = "multipart/form-data; boundary=x-y"


def test_what_a_client_writes_is_read() -> None:
    request = httpx.Request(
        "POST",
        "http://a.test",
        data={"model": "whisper-1", "tags": ["a", "b"]},
        files={"file": ("a b.mp3", b"\r\n--\x00\xff", "audio/mpeg")},
    )
    parts = read_parts(request.read(), request.headers["content-type"])

    assert parts is not None
    assert [(part.name, part.filename, part.is_file, part.content) for part in parts] == [
        ("model", "", False, b"whisper-1"),
        ("tags", "", False, b"a"),
        ("tags", "", False, b"b"),
        ("file", "a b.mp3", True, b"\r\n--\x00\xff"),
    ]
    kind = request.headers["content-type"]
    assert write_parts(parts, kind) == request.read()


@given(
    st.lists(
        st.builds(
            Part,
            lines=st.lists(
                st.sampled_from(['Content-Disposition: form-data; name="a"', "X: é"]), max_size=3
            ).map(tuple),
            content=st.binary(max_size=20),
        ),
        max_size=4,
    ).map(tuple)
)
def test_what_is_written_is_read_again(parts: tuple[Part, ...]) -> None:
    assert read_parts(write_parts(parts, KIND), KIND) == parts


@given(st.binary(max_size=60), st.sampled_from([KIND, "multipart/form-data", 'a; boundary="é"']))
def test_no_body_is_too_odd(body: bytes, kind: str) -> None:
    read_parts(body, kind)


@pytest.mark.parametrize("body", [b"", b"--x-y", b"--x-y\r\n\r\nno end", b"--other--\r\n"])
def test_what_is_no_form_is_none(body: bytes) -> None:
    assert read_parts(body, KIND) is None


def test_a_part_with_the_boundary_in_it_is_not_written() -> None:
    with pytest.raises(ValueError, match="boundary"):
        write_parts([Part(lines=(), content=b"a\r\n--x-y--")], KIND)
    with pytest.raises(ValueError, match="no boundary"):
        write_parts([], "multipart/form-data")


@pytest.mark.parametrize(
    "line",
    [
        'Content-Disposition: form-data; name="file"; filename="tmp 1.wav"',
        "content-disposition: form-data; name=\"file\"; filename=a.wav; filename*=utf-8''%C3%A9.wav",
    ],
)
def test_a_file_is_called_otherwise_and_all_else_stays(line: str) -> None:
    part = Part(lines=("X-Filename: filename=a", line), content=b"x")

    other = part.with_filename(".wav")

    assert (other.name, other.filename, other.content) == ("file", ".wav", b"x")
    assert "*" not in other.lines[1]
    assert other.lines[0] == part.lines[0]
