"""Who may speak to the gateway."""

from __future__ import annotations

import hmac

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.gateway.admission import Admission, is_loopback
from cachesaver.gateway.refusals import Refusal

KEY = "0123456789abcdef"


def headers(**said: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", "-"), value) for name, value in said.items())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert Admission.of(host, None).key == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.test", ""])
def test_all_else_does(host: str) -> None:
    assert not is_loopback(host)
    assert Admission.of(host, KEY).key == KEY
    with pytest.raises(ConfigurationError, match="give it a key"):
        Admission.of(host, None)


@pytest.mark.parametrize("key", ["short", "with a blank in it", "ümlaute sind es nicht", "x" * 15])
def test_a_key_is_hard_to_guess_and_easy_to_send(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Admission.of("127.0.0.1", key)

    assert key not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8125", "LOCALHOST:9", "[::1]", "[::1]:8"])
def test_a_program_of_this_machine_is_let_in(host: str) -> None:
    Admission().check_sender(headers(host=host, sec_fetch_site="none"))
    Admission().check_sender(())


@pytest.mark.parametrize(
    "host",
    ["evil.test", "evil.test:8125", "127.0.0.1.evil.test", "localhost.evil.test", "", "::1:x"],
)
def test_a_name_that_was_made_to_point_here_is_not(host: str) -> None:
    with pytest.raises(Refusal) as caught:
        Admission().check_sender(headers(host=host))

    assert (caught.value.status, caught.value.code) == (403, "wrong_host")


@pytest.mark.parametrize(
    "said",
    [
        headers(origin="https://evil.test"),
        headers(origin="null"),
        headers(origin="http://127.0.0.1:8125"),
        headers(sec_fetch_site="cross-site"),
        headers(sec_fetch_site="same-site"),
    ],
)
@pytest.mark.parametrize("key", ["", KEY])
def test_a_web_page_never_is(said: tuple[tuple[str, str], ...], key: str) -> None:
    with pytest.raises(Refusal) as caught:
        Admission(key=key).check_sender((("host", "127.0.0.1"), *said))

    assert (caught.value.status, caught.value.code) == (403, "web_page")


def test_who_has_the_key_may_use_any_name() -> None:
    Admission(key=KEY).check_sender(headers(host="gpu-7.cluster.test"))


@pytest.mark.parametrize("given", ["", "wrong", KEY[:-1], KEY + "0", "ümlaut"])
def test_another_key_is_refused(given: str) -> None:
    with pytest.raises(Refusal) as caught:
        Admission(key=KEY).check_key(given)

    assert caught.value.status == 401
    assert KEY not in caught.value.message


def test_the_key_is_let_in() -> None:
    Admission(key=KEY).check_key(KEY)
    Admission().check_key("")


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[tuple[bytes, bytes]]()

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    Admission(key=KEY).check_key(KEY)

    assert compared == [(KEY.encode(), KEY.encode())]


def test_no_key_is_shown() -> None:
    assert KEY not in repr(Admission(key=KEY))
