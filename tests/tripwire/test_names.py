"""Which names an address was given for, and what is this machine."""

from __future__ import annotations

import pytest

from cachesaver.tripwire.names import Names, is_loopback


def test_an_address_keeps_the_names_it_was_found_under() -> None:
    names = Names()

    names.learn("a.test", ["10.0.0.1", "10.0.0.2"])
    names.learn("b.test", ["10.0.0.1"])
    names.learn("a.test", ["10.0.0.1"])

    assert names.of("10.0.0.1") == ("b.test", "a.test")
    assert names.of("10.0.0.2") == ("a.test",)
    assert names.of("10.0.0.3") == ()


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    names = Names()

    for number in range(10_000):
        names.learn("a.test", [str(number)])
    for number in range(100):
        names.learn(f"{number}.test", ["9999"])

    known = [number for number in range(10_000) if names.of(str(number))]
    assert 1000 < len(known) <= 4096
    assert known[-1] == 9999
    assert len(names.of("9999")) == 8


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("db.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::1%lo", True),
        ("0.0.0.0", True),
        ("", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("localhost.evil.test", False),
        ("api.openai.com", False),
    ],
)
def test_loopback_is_this_machine_by_definition(host: str, *, is_here: bool) -> None:
    assert is_loopback(host) is is_here
