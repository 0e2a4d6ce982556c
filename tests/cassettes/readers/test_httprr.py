"""Traces of httprr."""

from __future__ import annotations

import pytest

from cachesaver.cassettes.readers import read
from cachesaver.errors import CassetteError

ASKED = b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nX: \xc3\xa9\r\n\r\n1\n2"
TOLD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n1;x=y\r\nc\r\n0\r\n\r\n"
PAIR = b"%d %d\n" % (len(ASKED), len(TOLD)) + ASKED + TOLD


def test_a_trace_is_cut_by_its_lengths_and_dechunked() -> None:
    one, two = read(b"httprr trace v1\n" + PAIR + PAIR, location="a.httprr")

    assert one.request == two.request
    assert one.request.body == b"1\n2"
    assert one.request.headers == (("Host", "a.test"), ("X", "Ã©"))
    assert (one.response.reason, one.response.body) == ("OK", b"a\nbc")
    assert [(each.place, each.line) for each in (one, two)] == [
        (0, 2),
        (1, 3 + PAIR.count(b"\n") - 1),
    ]


@pytest.mark.parametrize(
    "trace",
    [
        PAIR.replace(b"0\r\n\r\n", b"").replace(b" %d\n" % len(TOLD), b" %d\n" % (len(TOLD) - 5)),
        PAIR[:-3],
        b"what",
    ],
)
def test_a_trace_that_is_cut_off_is_an_error(trace: bytes) -> None:
    with pytest.raises(CassetteError, match="damaged"):
        list(read(b"httprr trace v1\n" + trace, location="a.httprr"))
