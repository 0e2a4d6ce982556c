"""Session records of Azure's test proxy."""

from __future__ import annotations

import json

from cachesaver.cassettes.readers import read


def test_bodies_are_read_by_their_type() -> None:
    form, text = {"Content-Type": "multipart/form-data; boundary=b"}, {"Content-Type": "audio/aac"}
    entry = {
        "RequestUri": "https://a.test/",
        "RequestMethod": "POST",
        "RequestHeaders": form,
        "RequestBody": ["--b\r\n", "b64:AP8="],
        "StatusCode": 200,
        "ResponseHeaders": text,
        "ResponseBody": "AP8=",
    }
    events = {
        **entry,
        "RequestHeaders": {"Content-Type": "application/json"},
        "RequestBody": [{"a": 1}],
        "ResponseHeaders": {"Content-Type": "text/event-stream"},
        "ResponseBody": "data: 1\n\n",
    }

    one, two = read(json.dumps({"Entries": [entry, events]}).encode(), location="a.json")

    assert one.request.body == b"--b\r\n\x00\xff"
    assert one.response.body == b"\x00\xff"
    assert two.request.body == b'[{"a":1}]'
    assert two.response.body == b"data: 1\n\n"
