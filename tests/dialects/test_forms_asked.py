from __future__ import annotations

from typing import Any

import pytest

from cachesaver.dialects.forms_asked import asked_number, is_true, with_field
from cachesaver.exchange import Request
from cachesaver.multipart import read_parts

KIND = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n\x89\xff\r\n'
    b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--b--\r\n'
)


@pytest.mark.parametrize("value", [True, "true", "True", "1"])
def test_true_is_said_in_words_too(value: object) -> None:
    assert is_true(value)


@pytest.mark.parametrize("value", [False, None, "false", "", 1, ["true"], "yes"])
def test_nothing_else_is_true(value: object) -> None:
    assert not is_true(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(None, 1), (3, 3), ("3", 3), (2.0, 2), ("0", 0), ("x", 0), ("³", 0), (["1"], 0), (-1, 0)],
)
def test_a_number_is_read_in_words_too(value: object, number: int) -> None:
    assert asked_number({"n": value}, "n") == number


def test_very_many_digits_are_no_small_number() -> None:
    assert asked_number({"n": "1" + "0" * 50_000}, "n") > 10


def test_a_field_is_set_and_every_file_stays_as_it_is() -> None:
    request = Request(
        method="POST", url="https://a.test", body=FORM, headers=(("content-type", KIND),)
    )

    changed = with_field(request, "n", "4")

    parts = read_parts(changed.body, KIND)
    assert parts is not None
    told: Any = [(part.name, part.filename, part.content) for part in parts]
    assert told == [("image", "a.png", b"\x89\xff"), ("n", "", b"4")]
    assert changed.header("content-length") == str(len(changed.body))


def test_what_is_no_form_is_refused() -> None:
    with pytest.raises(ValueError, match="not a form"):
        with_field(Request(method="POST", url="https://a.test", body=b"{}"), "n", "4")
