"""Cassettes of Ruby's VCR, and of betamax."""

from __future__ import annotations

import json
from typing import Any

from cachesaver.cassettes.readers import read

RUBY = """---
http_interactions:
- request:
    method: post
    uri: https://a.test/v1
    body:
      encoding: UTF-8
      string: !binary |-
        AP8=
    headers:
      Content-Type:
      - application/json
  response:
    status:
      code: 200
      message: OK
    headers: {}
    body:
      encoding: ASCII-8BIT
      base64_string: AP8=
  recorded_at: Tue, 14 Nov 2023 21:48:24 GMT
recorded_with: VCR 6.1.0
"""


def test_a_body_is_a_text_or_binary() -> None:
    (found,) = read(RUBY.encode(), location="c.yml")

    assert found.request.body == found.response.body == b"\x00\xff"
    assert found.response.reason == "OK"
    assert (found.line, found.recorded) == (3, "Tue, 14 Nov 2023 21:48:24 GMT")


def test_betamax_writes_the_same_as_json() -> None:
    each: dict[str, Any] = {
        "request": {"method": "GET", "uri": "https://a.test/", "headers": {}, "body": "a"},
        "response": {"status": {"code": 200, "message": None}, "headers": {"X": ["1"]}}
        | {"body": {"encoding": "utf-8", "string": "told"}, "url": "https://a.test/"},
    }

    (found,) = read(json.dumps({"http_interactions": [each]}).encode(), location="c.json")

    assert (found.request.body, found.response.body) == (b"a", b"told")
    assert found.response.headers == (("X", "1"),)
