"""go-vcr's cassettes."""

from __future__ import annotations

import pytest

from cachesaver.cassettes.readers import read

ONE = """---
version: {version}
interactions:
- request:
    body: '{{"a": 1}}'
    form: {{}}
    headers:
      Content-Type:
      - application/json
    url: https://a.test/v1
    method: POST
  response:
    uncompressed: true
    body: 'data: 1'
    headers:
      Content-Encoding: [gzip]
    status: 200 OK
    code: 200
    duration: 1.5s
"""


@pytest.mark.parametrize("version", [1, 2])
def test_either_version_is_read(version: int) -> None:
    (found,) = read(ONE.format(version=version).encode(), location="c.yaml")

    assert (found.request.method, found.request.url) == ("POST", "https://a.test/v1")
    assert found.request.body == b'{"a": 1}'
    assert (found.response.status, found.response.reason) == (200, "OK")
    assert found.response.headers == ()
    assert found.line == 4
