"""Which session a call is answered by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.gateway import sessions as module
from cachesaver.gateway.sessions import Sessions
from cachesaver.session import Session


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    monkeypatch.delenv("CACHESAVER_RUN", raising=False)
    opened = Sessions({"namespace": "a", "store": str(tmp_path / "pool"), "quiet": True})
    yield opened
    opened.close()


def held(sessions: Sessions, run: str) -> Session:
    with sessions.of(run) as session:
        return session


def is_closed(session: Session) -> bool:
    return "[closed]" in repr(session)


def test_who_names_no_run_is_in_the_gateways(sessions: Sessions) -> None:
    own = sessions.own

    assert held(sessions, "") is held(sessions, own.run_id) is own


def test_a_run_is_one_session_over_one_store(sessions: Sessions) -> None:
    one, other = held(sessions, "1"), held(sessions, "2")

    assert held(sessions, "1") is one is not other
    assert (one.run_id, other.run_id) == ("1", "2")
    assert one.store is other.store is sessions.own.store
    assert one.settings.namespace == "a"


def test_its_place_is_its_own(sessions: Sessions) -> None:
    """Given processes of the same run, then none of their places depends on when a gateway came."""
    with Session.open("a", store=sessions.own.store, run="1") as process:
        gateway = held(sessions, "1")

        assert (gateway.slot, process.slot) == ("gateway/0", "0")


def test_two_gateways_of_one_run_are_two(sessions: Sessions) -> None:
    """Given another process that is a gateway of the run, then this does not draw under its name."""
    store = sessions.own.store
    store.join("1/gateway", owner="another process")

    assert held(sessions, "1").slot == "gateway/1"


def test_the_one_that_was_not_called_for_the_longest_time_is_closed(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    with sessions.of("1") as busy:
        second, third = held(sessions, "2"), held(sessions, "3")

        assert [is_closed(each) for each in (busy, second, third)] == [False, True, False]
        assert held(sessions, "2") is not second
        assert is_closed(third)


def test_all_end_with_the_gateway(sessions: Sessions) -> None:
    one = held(sessions, "1")

    sessions.close()

    assert is_closed(one)
    assert is_closed(sessions.own)


def test_what_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Sessions({"namespace": "", "store": str(tmp_path)})
