"""HTTP archives."""

from __future__ import annotations

import json
from typing import Any

from cachesaver.cassettes.readers import Interaction, read


def archived(posted: dict[str, Any], content: dict[str, Any], **request: Any) -> Interaction:
    entry: dict[str, Any] = {
        "startedDateTime": "2026-01-01T00:00:00Z",
        "request": {"method": "POST", "url": "https://a.test/", "headers": [], **request}
        | {"postData": posted},
        "response": {"status": 200, "statusText": "OK", "headers": [], "content": content},
    }
    (found,) = read(json.dumps({"log": {"entries": [entry]}}).encode(), location="a.har")
    return found


def test_a_body_is_text_base64_or_fields() -> None:
    text = archived({"mimeType": "text/plain", "text": "ü"}, {"text": "AP8=", "encoding": "base64"})
    form = archived({"params": [{"name": "a", "value": "b c"}]}, {})

    assert text.request.body == "ü".encode()
    assert text.response.body == b"\x00\xff"
    assert text.recorded == "2026-01-01T00:00:00Z"
    assert text.lossy == ()
    assert form.request.body == b"a=b+c"
    assert form.lossy == ("the request's body was kept as its fields",)
    assert form.response.chunks == ()


def test_a_type_told_beside_the_headers_is_one_and_http2_names_are_none() -> None:
    pseudo = [{"name": ":authority", "value": "a.test"}, {"name": "x", "value": "1"}]

    found = archived({"mimeType": "application/json", "text": "{}"}, {}, headers=pseudo)

    assert found.request.headers == (("x", "1"), ("content-type", "application/json"))
