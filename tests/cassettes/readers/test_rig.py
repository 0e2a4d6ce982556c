"""rig's recordings."""

from __future__ import annotations

import pytest

from cachesaver.cassettes.readers import read

DOCUMENT = """when:
  path: /v1/a b
  method: POST
  query_param:
  - name: alt
    value: sse
  header:
  - name: accept
    value: '*/*'
  body: '{}'
then:
  status: 200
  header: []
  body: AP8=
  body_encoding: base64
"""


@pytest.mark.parametrize(
    ("name", "origin", "is_lossy"),
    [
        ("tests/cassettes/gemini/a/b.yaml", "https://generativelanguage.googleapis.com", False),
        ("openai/x.yaml", "https://api.openai.com", False),
        ("x/b.yaml", "https://redacted.invalid", True),
    ],
)
def test_the_folder_says_where_it_went(name: str, origin: str, *, is_lossy: bool) -> None:
    one, two = read(f"{DOCUMENT}---\n{DOCUMENT}".encode(), location=name)

    assert one.request.url == f"{origin}/v1/a%20b?alt=sse"
    assert one.response.body == b"\x00\xff"
    assert (one.line, two.line) == (1, 17)
    assert bool(one.lossy) is is_lossy
