"""Patching: what is ours is taken back, what is another's is recognised."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from unittest import mock

import pytest

from cachesaver.transports.patches import author, is_mock, network_is_mocked, patch

OWN = frozenset({"acme"})


def written_by(module: str, wraps: Callable[..., object] | None = None) -> Callable[..., object]:
    """Return a function whose code says it is from *module*."""
    names = {"__name__": module, "wraps": functools.wraps, "beneath": wraps}
    source = "@wraps(beneath)\ndef f(): pass" if wraps else "def f(): pass"
    exec(source, names)  # noqa: S102 - globals are what it is about
    made = names["f"]
    assert callable(made)
    return made


class Acme:
    def send(self) -> str:
        return "live"


def layer(name: str) -> Callable[..., Callable[[Acme], str]]:
    def make(original: Callable[[Acme], str], active: Callable[[], bool]) -> Callable[[Acme], str]:
        return lambda acme: f"{name}({original(acme)})" if active() else original(acme)

    return make


def test_a_patch_is_in_force_until_it_is_undone() -> None:
    original = vars(Acme)["send"]

    undo = patch(Acme, "send", layer("a"))
    during = Acme().send()
    undo()

    assert (during, Acme().send()) == ("a(live)", "live")
    assert vars(Acme)["send"] is original


def test_undoing_in_any_order_leaves_no_trace() -> None:
    """Given two layers, when the lower one goes first, then nothing is left after the upper."""
    original = vars(Acme)["send"]
    lower = patch(Acme, "send", layer("lower"))
    upper = patch(Acme, "send", layer("upper"))

    lower()
    between = Acme().send()
    upper()

    assert between == "upper(live)"
    assert vars(Acme)["send"] is original


def test_what_others_put_on_top_is_theirs_to_take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as others:
        undo = patch(Acme, "send", layer("a"))
        ours = vars(Acme)["send"]

        def top(acme: Acme) -> str:
            return f"top({ours(acme)})"

        others.setattr(Acme, "send", top)

        before = Acme().send()
        undo()
        after = Acme().send()

    assert (before, after) == ("top(a(live))", "top(live)")
    assert vars(Acme)["send"] is ours
    undo()
    assert Acme().send() == "live"
    assert vars(Acme)["send"] is not ours


def test_a_wrapper_cannot_hide_who_wrote_it() -> None:
    """Given a mock's function that `functools.wraps` has dressed up, then its author shows."""
    original = written_by("acme._client")
    dressed = written_by("vcr.stubs", wraps=original)

    assert dressed.__module__ == original.__module__
    assert (author(original), author(dressed)) == ("acme", "vcr")


@pytest.mark.parametrize(
    ("function", "mocks", "mocks_where_anyone_may_write"),
    [
        (written_by("acme._client"), False, False),
        (written_by("respx.mocks"), True, True),
        (written_by("vcr.stubs", wraps=written_by("acme")), True, True),
        (written_by("sometracer", wraps=written_by("acme")), False, False),
        (written_by("sometracer", wraps=written_by("respx")), True, True),
        (written_by("sentry_sdk.integrations"), False, False),
        (written_by("test_of_a_user"), True, False),
        (mock.Mock(), True, True),
        (mock.create_autospec(Acme.send), True, False),
    ],
)
def test_a_mock_is_known_by_its_author_or_by_wrapping_nothing(
    function: object, *, mocks: bool, mocks_where_anyone_may_write: bool
) -> None:
    assert is_mock(function, OWN) is mocks
    assert is_mock(function, None) is mocks_where_anyone_may_write


def test_a_mocked_socket_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = network_is_mocked()
    monkeypatch.setattr(socket, "socket", type("Fake", (), {"__module__": "mocket.socket"}))

    assert (real, network_is_mocked()) == (False, True)
