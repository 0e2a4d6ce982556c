"""Blocks over cassettes, with the official SDK over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import cachesaver
from cachesaver.cassettes.store import Exhausted
from cachesaver.errors import (
    CassetteError,
    ConfigurationError,
    DialectError,
    EscapeError,
    NotRecordedError,
    NotReplayableError,
)
from cachesaver.recording import Cassette, CassetteExpiredWarning, RecordMode
from cachesaver.rehearsal import Rehearsal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


def ask(rehearsal: Rehearsal, text: str = "Hi") -> str:
    with openai.OpenAI(base_url=rehearsal.openai_url, api_key="sk-secret-1234567890") as client:
        answer = client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": text}]
        )
    return str(answer.choices[0].message.content)


def stream(rehearsal: Rehearsal) -> None:
    with openai.OpenAI(base_url=rehearsal.openai_url, api_key="x") as client:
        for _ in client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "Stream"}], stream=True
        ):
            pass


def embed(rehearsal: Rehearsal, text: str) -> list[float]:
    with openai.OpenAI(base_url=rehearsal.openai_url, api_key="x") as client:
        return (
            client.embeddings.create(model="text-embedding-3-small", input=text).data[0].embedding
        )


async def ask_all(rehearsal: Rehearsal, *texts: str) -> list[str]:
    async with openai.AsyncOpenAI(base_url=rehearsal.openai_url, api_key="x") as client:

        async def one(text: str) -> str:
            answer = await client.chat.completions.create(
                model="gpt-5-mini", messages=[{"role": "user", "content": text}]
            )
            return str(answer.choices[0].message.content)

        return list(await asyncio.gather(*map(one, texts)))


def test_once_records_and_then_replays(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path) as cassette:
        said = [ask(rehearsal), ask(rehearsal), ask(rehearsal, "Bye")]
        assert cassette.session.stats().fetched == 3
    bought = rehearsal.calls().calls

    with cachesaver.use_cassette(path) as cassette:
        assert [ask(rehearsal), ask(rehearsal)] == said[:2]
        assert not cassette.all_played
        assert ask(rehearsal, "Bye") == said[2]
    assert cassette.all_played
    assert rehearsal.calls().calls == bought == 3
    assert "sk-secret" not in path.read_text()


def test_a_question_that_is_not_recorded_is_named_and_nothing_goes_out(
    rehearsal: Rehearsal, path: Path
) -> None:
    with cachesaver.use_cassette(path):
        ask(rehearsal, "How are you today?")

    with cachesaver.use_cassette(path), pytest.raises(NotRecordedError, match=r"\+.*tomorrow"):
        ask(rehearsal, "How are you tomorrow?")
    with cachesaver.use_cassette(path):
        assert ask(rehearsal, "How are you today?")
        with pytest.raises(NotRecordedError):
            ask(rehearsal, "How are you today?")

    assert rehearsal.calls().calls == 1


def test_none_never_records(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path, record_mode="none"), pytest.raises(NotRecordedError):
        ask(rehearsal)

    assert not path.exists()
    assert rehearsal.calls().calls == 0


def test_new_episodes_records_what_is_new_only(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path):
        said = ask(rehearsal)

    with cachesaver.use_cassette(path, record_mode="new_episodes"):
        assert ask(rehearsal) == said
        other = ask(rehearsal, "Bye")
        again = ask(rehearsal)

    with cachesaver.use_cassette(path, record_mode="none"):
        assert [ask(rehearsal), ask(rehearsal, "Bye"), ask(rehearsal)] == [said, other, again]
    assert rehearsal.calls().calls == 3


def test_all_records_anew_and_leaves_what_is_not_asked(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path):
        old, kept = ask(rehearsal), ask(rehearsal, "Bye")

    with cachesaver.use_cassette(path, record_mode="all"):
        new = ask(rehearsal)
    assert new != old

    with cachesaver.use_cassette(path, record_mode="none"):
        assert [ask(rehearsal), ask(rehearsal, "Bye")] == [new, kept]


def test_rewrite_forgets_the_rest(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path):
        ask(rehearsal, "Bye")

    with cachesaver.use_cassette(path, record_mode="rewrite"):
        said = ask(rehearsal)

    with cachesaver.use_cassette(path, record_mode="none"):
        assert ask(rehearsal) == said
        with pytest.raises(NotRecordedError):
            ask(rehearsal, "Bye")


@pytest.mark.parametrize(("exhausted", "places"), [("cycle", [0, 1, 0, 1]), ("last", [0, 1, 1, 1])])
def test_a_list_that_is_exhausted(
    rehearsal: Rehearsal, path: Path, exhausted: str, places: list[int]
) -> None:
    with cachesaver.use_cassette(path):
        said = [ask(rehearsal), ask(rehearsal)]

    with cachesaver.use_cassette(path, exhausted=exhausted):
        assert [ask(rehearsal) for _ in range(4)] == [said[place] for place in places]


def test_answers_are_not_swapped_whatever_comes_first(rehearsal: Rehearsal, path: Path) -> None:
    texts = [f"question {number}" for number in range(9)] + ["the same"] * 3

    async def recorded(order: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for text, said in zip(order, await ask_all(rehearsal, *order), strict=True):
            found.setdefault(text, []).append(said)
        return found

    with cachesaver.use_cassette(path):
        said = asyncio.run(recorded(texts))
    assert len(set(said["the same"])) == 3

    with cachesaver.use_cassette(path):
        assert asyncio.run(recorded(texts[::-1])) == said


def test_it_decorates_functions_and_coroutine_functions(rehearsal: Rehearsal, path: Path) -> None:
    @cachesaver.use_cassette(path)
    def blocking(text: str) -> str:
        return ask(rehearsal, text)

    @cachesaver.use_cassette(path)
    async def waiting(text: str) -> str:
        return (await ask_all(rehearsal, text))[0]

    said = blocking("Hi")

    assert asyncio.run(waiting("Hi")) == said
    assert blocking(text="Hi") == said
    assert blocking.__name__ == "blocking"
    assert cachesaver.current_session() is None
    assert rehearsal.calls().calls == 1


def test_it_decorates_generator_functions_such_as_fixtures(
    rehearsal: Rehearsal, path: Path
) -> None:
    """Given a fixture that yields, then the block lasts as long as the fixture does."""

    @cachesaver.use_cassette(path)
    def blocking() -> Generator[str, None, str]:
        yield ask(rehearsal)
        return "end"

    @cachesaver.use_cassette(path)
    async def waiting() -> AsyncGenerator[str]:
        yield (await ask_all(rehearsal, "Hi"))[0]

    async def waited() -> list[str]:
        return [each async for each in waiting()]

    said = list(blocking())

    assert asyncio.run(waited()) == said
    assert list(blocking()) == said
    assert rehearsal.calls().calls == 1
    assert cachesaver.current_session() is None


def test_it_nests_in_a_session_and_lets_it_go_on(
    rehearsal: Rehearsal, path: Path, tmp_path: Path
) -> None:
    with cachesaver.install(namespace="a", store=tmp_path / "s", quiet=True) as outer:
        with cachesaver.use_cassette(path):
            said = ask(rehearsal)
        assert ask(rehearsal) != said
        assert outer.stats().fetched == 1


def test_the_block_ends_in_order_when_it_raises(rehearsal: Rehearsal, path: Path) -> None:
    def fails() -> None:
        with cachesaver.use_cassette(path):
            ask(rehearsal, "b")
            ask(rehearsal, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()

    assert cachesaver.current_session() is None
    fingerprints = re.findall('"fingerprint": "(.*)"', path.read_text())
    assert len(fingerprints) == 2
    assert fingerprints == sorted(fingerprints)


def test_the_head_says_what_it_was_recorded_with(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path):
        ask(rehearsal)

    clients: dict[str, Any] = json.loads(path.read_text().partition("---")[0])["recorded with"]
    assert clients["openai"] == openai.__version__
    assert clients["httpx2"] == httpx2.__version__


def test_the_mode_may_come_from_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cachesaver.use_cassette(path).record_mode is RecordMode.ONCE
    monkeypatch.setenv("CACHESAVER_RECORD_MODE", "none")
    assert cachesaver.use_cassette(path).record_mode is RecordMode.NONE
    monkeypatch.setenv("CACHESAVER_RECORD_MODE", "sometimes")
    with pytest.raises(ConfigurationError, match="new_episodes"):
        cachesaver.use_cassette(path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"record_mode": "some"}, "new_episodes"),
        ({"exhausted": "some"}, "cycle"),
        ({"record_mode": "none", "exhausted": "extend"}, "records nothing"),
        ({"record_mode": "all", "exhausted": "error"}, "leave exhausted out"),
    ],
)
def test_what_cannot_be_is_said_at_once(path: Path, options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        cachesaver.use_cassette(path, **options)


def test_what_is_no_cassette_leaves_nothing_installed(path: Path) -> None:
    path.write_text("interactions: []\nversion: 1\n")

    with pytest.raises(CassetteError, match="import"), cachesaver.use_cassette(path):
        pass

    assert cachesaver.current_session() is None
    assert path.read_text() == "interactions: []\nversion: 1\n"


def test_it_says_what_it_is(path: Path) -> None:
    assert repr(Cassette(path, RecordMode.NONE, Exhausted.ERROR, {})) == (
        f"<Cassette {str(path)!r} [none]>"
    )


def made_old(path: Path, text: str = "Hi") -> None:
    """Let what was recorded of the question *text* be of another year."""
    parts = path.read_text().split("---\n")
    old = [
        re.sub(r'"recorded": "20\d\d', '"recorded": "2001', part) if f'"{text}"' in part else part
        for part in parts
    ]
    assert old != parts
    path.write_text("---\n".join(old))


class TestAge:
    @pytest.fixture
    def said(self, rehearsal: Rehearsal, path: Path) -> list[str]:
        with cachesaver.use_cassette(path):
            return [ask(rehearsal), ask(rehearsal, "Bye")]

    def test_a_young_cassette_is_not_told_of(
        self, rehearsal: Rehearsal, path: Path, said: list[str]
    ) -> None:
        with cachesaver.use_cassette(path, max_age="1d", on_expiry="fail"):
            assert ask(rehearsal) == said[0]

    @pytest.mark.parametrize(
        ("mode", "on_expiry"), [("once", "warn"), ("none", "warn"), ("none", "rerecord")]
    )
    def test_an_old_one_is_used_with_a_warning(
        self, rehearsal: Rehearsal, path: Path, said: list[str], mode: str, on_expiry: str
    ) -> None:
        made_old(path)
        used = cachesaver.use_cassette(path, record_mode=mode, max_age="30d", on_expiry=on_expiry)

        with pytest.warns(CassetteExpiredWarning, match="2001.*1 question;"):
            used.__enter__()
        with used.session:
            assert ask(rehearsal) == said[0]

    def test_a_date_without_a_zone_is_utc(
        self, rehearsal: Rehearsal, path: Path, said: list[str]
    ) -> None:
        """Given a date written by hand, then it is as old as it says, and no error."""
        path.write_text(re.sub(r'("recorded": "[^"]*)Z"', r'\1"', path.read_text()))
        with cachesaver.use_cassette(path, max_age="1d", on_expiry="fail"):
            assert ask(rehearsal) == said[0]

        made_old(path)
        with pytest.raises(CassetteError, match="2001"):
            cachesaver.use_cassette(path, max_age="1d", on_expiry="fail").__enter__()

    def test_or_not_at_all(self, path: Path, said: list[str]) -> None:
        made_old(path)

        with (
            pytest.raises(CassetteError, match="2001"),
            cachesaver.use_cassette(path, max_age="30d", on_expiry="fail"),
        ):
            pass

        assert said
        assert cachesaver.current_session() is None

    def test_or_what_is_old_is_recorded_anew(
        self, rehearsal: Rehearsal, path: Path, said: list[str]
    ) -> None:
        made_old(path)

        for _ in range(2):  # the second time it is young again
            with cachesaver.use_cassette(path, max_age="30d", on_expiry="rerecord"):
                new, same = ask(rehearsal), ask(rehearsal, "Bye")
                assert new != said[0]
                assert same == said[1]

        assert rehearsal.calls().calls == 3
        assert "2001" not in path.read_text()
        with cachesaver.use_cassette(path, max_age="30d"), pytest.raises(NotRecordedError):
            ask(rehearsal, "not recorded")

    @pytest.mark.parametrize("via", ["hooked", "not hooked"])
    def test_in_once_what_is_no_question_does_not_go_out_either(
        self, rehearsal: Rehearsal, path: Path, said: list[str], via: str
    ) -> None:
        """Given answers to be renewed, then what may not leave in `none` may not here; renewing may."""
        made_old(path)
        url = f"{rehearsal.openai_url}/models"
        bought = rehearsal.calls().calls

        with cachesaver.use_cassette(
            path, max_age="30d", on_expiry="rerecord", hosts=["127.0.0.1"]
        ):
            if via == "hooked":
                with pytest.raises(NotReplayableError):
                    httpx2.get(url)
            else:
                with (
                    closing(socket.create_connection(("127.0.0.1", httpx2.URL(url).port))) as raw,
                    pytest.raises(EscapeError),
                ):
                    raw.sendall(b"GET /openai/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert rehearsal.calls().calls == bought
            assert ask(rehearsal) != said[0]

    def test_once_lets_nothing_out_that_cannot_be_shown_as_it_was_recorded(
        self, rehearsal: Rehearsal, path: Path, said: list[str]
    ) -> None:
        """Given a stream with a number amid its text, when it is asked for whole, then it is an error."""
        with cachesaver.use_cassette(path, record_mode="new_episodes"):
            stream(rehearsal)
        recorded = path.read_text()
        path.write_text(recorded.replace('"delta": {"content": "["}', '"delta": {"content": 7}'))
        assert path.read_text() != recorded
        made_old(path)
        bought = rehearsal.calls().calls

        with cachesaver.use_cassette(path, max_age="30d", on_expiry="rerecord"):
            with pytest.raises(DialectError):
                ask(rehearsal, "Stream")
            assert rehearsal.calls().calls == bought
            assert ask(rehearsal) != said[0]

    def test_once_buys_nothing_beside_what_is_old(
        self, rehearsal: Rehearsal, path: Path, said: list[str]
    ) -> None:
        made_old(path)
        bought = rehearsal.calls().calls

        with cachesaver.use_cassette(path, max_age="30d", on_expiry="rerecord"):
            assert ask(rehearsal, "Bye") == said[1]
            for text in ("Bye", "not recorded"):
                with pytest.raises(NotRecordedError):
                    ask(rehearsal, text)
            with pytest.raises(NotRecordedError):
                asyncio.run(ask_all(rehearsal, "Bye", "not recorded"))
            with pytest.raises(NotRecordedError):
                embed(rehearsal, "not recorded")
            assert rehearsal.calls().calls == bought

            assert ask(rehearsal) != said[0]
            assert rehearsal.calls().calls == bought + 1
