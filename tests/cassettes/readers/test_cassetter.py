"""cassetter's cassettes: the examples are as cassetter 0.16.1 writes them."""

from __future__ import annotations

import pytest

from cachesaver.cassettes.readers import read

YAML = """version: 1
interactions:
- request:
    method: POST
    uri: http://a.test/v1
    headers:
      accept:
      - "*/*"
    body:
      type: json
      content:
        q: hï
        day: 2024-01-01
        small: 1e-7
  response:
    status: 200
    headers:
      content-type:
      - text/event-stream
    body:
      type: text
      content: |+
        data: {"i":0}

  recorded_at: 2026-11-26T02:01:08.409387+00:00
- request:
    method: POST
    uri: http://a.test/v1
    headers: {}
    body:
      type: binary
      content: 00ff1f
  response:
    status: 204
    headers: {}
    body:
      type: none
  recorded_at: 2026-11-26T02:01:08.409387+00:00
"""

TOML = """version = 1

[[interactions]]
recorded_at = "2026-11-26T02:02:29.125137+00:00"

[interactions.request]
method = "POST"
uri = "http://a.test/v1"
body_type = "json"
body_content = '{"q":"hï","day":"2024-01-01","small":1e-07}'

[interactions.request.headers]
accept = ["*/*"]

[interactions.response]
status = 200
body_type = "text"
body_content = \"\"\"
data: {"i":0}

\"\"\"

[interactions.response.headers]
content-type = ["text/event-stream"]

[[interactions]]
recorded_at = "2026-11-26T02:02:29.125137+00:00"

[interactions.request]
method = "POST"
uri = "http://a.test/v1"
body_type = "binary"
body_content = "00ff1f"

[interactions.response]
status = 204
body_type = "none"
"""


@pytest.mark.parametrize(("text", "name"), [(YAML, "c.yaml"), (TOML, "c.toml")])
def test_bodies_are_read_by_their_type(text: str, name: str) -> None:
    one, two = read(text.encode(), location=name)

    assert one.request.body == '{"q":"hï","day":"2024-01-01","small":1e-07}'.encode()
    assert one.response.body == b'data: {"i":0}\n\n'
    assert one.response.headers == (("content-type", "text/event-stream"),)
    assert one.lossy == ("the request's body was kept parsed: its spelling is ours",)
    assert two.request.body == b"\x00\xff\x1f"
    assert (two.response.status, two.response.body) == (204, b"")


def test_json_may_be_a_text() -> None:
    asked = YAML.replace("type: binary\n      content: 00ff1f", 'type: json\n      content: "é"')

    _, two = read(asked.encode(), location="c.yaml")

    assert two.request.body == b'"\\u00e9"'
