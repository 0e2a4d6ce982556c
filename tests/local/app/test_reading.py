"""What is read in pieces is what is read at once, and nobody waits for all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from cachesaver.local.app import reading
from cachesaver.local.app.bodies import read
from cachesaver.local.app.other_asks import CompletionAsk
from cachesaver.local.app.reading import read_json
from cachesaver.local.app.refusals import Refusal

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(['"', "\\", '\\"', "[1,2]", "\\\\", "{", "é😀"])
    | st.lists(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
MANNERS = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 1, "\t"]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", "\t:  ")]),
        "ensure_ascii": st.booleans(),
    }
)


def at_once(text: bytes) -> Any:
    try:
        return from_json(text)
    except ValueError:
        return "no JSON"


def in_pieces(text: bytes) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return "no JSON"


@given(VALUES, MANNERS, st.integers(5, 40))
def test_pieces_make_the_whole(value: Any, manner: dict[str, Any], run: int) -> None:
    text = json.dumps(value, **manner).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_RUN", run)
        assert in_pieces(b" " + text + b"\n") == at_once(text)


@given(VALUES, st.data())
def test_what_is_none_at_once_is_none_in_pieces(value: Any, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value, ensure_ascii=False).encode())
    marks = [b"", b'"', b",", b"[", b"]", b"{", b"}", b":", b"\\", b"1", b"-", b".", b"\xff", b" "]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from(marks))

    assert in_pieces(bytes(text)) == at_once(bytes(text))


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"[", b"[1", b"[1,", b"[1,]", b"[,1]", b"[ ,1]", b"[1,,2]", b"[1 2,3]", b"[01,2]",
        b"[1,2}", b"[1.,2]", b"[-1,-2.5e-7,3E+2]", b"[[1,2],[3,4]]", b"[] []", b"1 2",
        b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,}', b'{"a" 1}', b"{1:2}", b'{"a":1]', b'{"a":1 "b":2}',
        b'{"a":1,"a":2}', b'{"\\u0061":1}', b'"', b'"a', b'"\\"', b'"\\ud800"', b'"\x01"', b'"\xff"',
        b'"' + b"\\\\" * 9 + b'"', b'"' + b"\\" * 9 + b'"', b'["\\\\","\\\\\\""]', b"'a'",
        b"tru", b"truefalse", b"nul", b"\xef\xbb\xbf1", b"9" * 5000, b"1." + b"3" * 50_000,
        b"NaN", b"[NaN,1]", b"-Infinity", b"1e400", b"[1e400,1]",
        b"[" * 200 + b"]" * 200, b"[" * 202 + b"]" * 202, b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a":' * 202 + b"1" + b"}" * 202, b"{}", b"{,}",
        b"{%b}" % (b" " * 50_000), b"[%b]" % (b" " * 50_000),
        b'{"a":"}"}', b'{"a":"\\"}"}', b'{"a":"\n"}', b'{"a":1]}',
    ],
)  # fmt: skip
def test_oddities_are_read_alike(text: bytes) -> None:
    assert repr(in_pieces(text)) == repr(at_once(text))


def test_what_was_expected_is_said() -> None:
    with pytest.raises(ValueError, match="a comma or ] was expected, and there is something else"):
        read_json(b'["a"; "b"]')
    with pytest.raises(ValueError, match="the end of a string was expected, and there is the end"):
        read_json(b'["a')


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"[%b1]" % (b"1," * 9000), 2),
        (b"[%b[1,1]]" % (b"[1,1]," * 1000), 1 + 2000 + 2),
        (b"[%b[]]" % (b"[]," * 2998), 3000),
        (b"{%b}" % b",".join(b'"%d":1' % at for at in range(2999)), 3000),
        (b'[%b{"a":[]}]' % (b'{"a":1,"b":"c"},' * 900), 1 + 2700 + 2),
        (b"[%b1]" % (b'"a",' * 2000), 2002),
    ],
)
def test_a_body_has_an_end_of_values(
    text: bytes, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_VALUES", 3000)

    assert read_json(text) == from_json(text)
    with pytest.raises(Refusal, match="more than 3000 fields") as raised:
        read_json(b"[%b%b]" % (b"null," * (3000 - values), text))

    assert (raised.value.status, raised.value.code) == (400, "too_many_values")


def test_a_string_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_STRING", 8)

    assert read_json(b'["123456"]') == ["123456"]
    with pytest.raises(Refusal, match="a string of more than 8 bytes") as raised:
        read_json(b'["1234567"]')

    assert (raised.value.status, raised.value.code) == (400, "string_above_max_length")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the parser was given in one go, while which no other thread runs."""
    given: list[bytes] = []

    def parse(text: bytes) -> Any:
        given.append(text)
        return from_json(text)

    monkeypatch.setattr(reading, "from_json", parse)
    return given


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[%b1]" % (b"12345," * 400_000), id="numbers"),
        pytest.param(b"[%b[1]]" % (b"[%b1]," % (b"12345," * 4000) * 100), id="lists of numbers"),
        pytest.param(b"[%b1]" % (b'{"a":[1],"b":"c"},' * 30_000), id="objects"),
        pytest.param(b"[%b1]" % (b'{"a":1,"b":"c"},' * 30_000), id="flat objects"),
        pytest.param(b"{%b}" % b",".join(b'"%d":1' % at for at in range(80_000)), id="fields"),
        pytest.param(b"[%b1]" % (b'"%b",' % (b"\\n" * 10_000) * 200), id="strings"),
        pytest.param(b"[%b1]" % (b"[%b]," % (b" " * 50_000) * 20), id="blanks"),
    ],
)
def test_nobody_waits_for_the_whole(text: bytes, parsed: list[bytes]) -> None:
    assert read_json(text) == from_json(text)

    assert len(text) > 10 * reading._RUN
    assert max(map(len, parsed)) <= reading._RUN


def test_nobody_waits_for_a_whole_body(parsed: list[bytes]) -> None:
    body = b'{"model": "m", "prompt": [%b[1]]}' % (b"[%b1]," % (b"12345," * 4000) * 100)

    assert len(read(CompletionAsk, body).prompt) == 101

    assert len(body) > 10 * reading._RUN
    assert max(map(len, parsed)) <= reading._RUN
