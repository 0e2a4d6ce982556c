from __future__ import annotations

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.local.app.door import Door, is_loopback
from cachesaver.local.app.refusals import Refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    Door(None, host).check({"host": f"{host}:8126" if host != "::1" else "[::1]:8126"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.test"])
def test_elsewhere_a_key_is_required(host: str) -> None:
    for key in (None, ""):
        with pytest.raises(ConfigurationError, match="--api-key"):
            Door(key, host)
    Door("secret", host)


@pytest.mark.parametrize("said", ["Bearer secret", "bearer  secret"])
def test_who_has_the_key_comes_in(said: str) -> None:
    Door("secret", "0.0.0.0").check({"authorization": said, "origin": "https://ui.test"})


@pytest.mark.parametrize("said", ["", "secret", "Bearer other", "Basic secret", "Bearer \udcff"])
def test_who_has_not_is_refused(said: str) -> None:
    with pytest.raises(Refusal) as raised:
        Door("secret", "127.0.0.1").check({"authorization": said})

    assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("web_page", {"origin": "https://evil.test", "host": "127.0.0.1"}),
        ("wrong_host", {"host": "evil.test:8126"}),
    ],
)
def test_without_a_key_no_web_page_comes_in(code: str, headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as raised:
        Door(None, "127.0.0.1").check(headers)

    assert (raised.value.status, raised.value.code) == (403, code)


def test_what_is_mounted_is_called_by_any_name() -> None:
    Door(None, None).check({"host": "local"})
