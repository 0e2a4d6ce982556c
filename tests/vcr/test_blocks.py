"""Blocks and decorators over cassettes, with a real client and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from cachesaver import wiring
from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.vcr import VCR, Cassette, use_cassette


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        running.script("/x", Script(chunks=(b"one",)))
        yield running


def get(server: LoopbackServer, path: str = "/x") -> str:
    return httpx.get(server.url + path).text


def test_a_block_records_and_then_plays_without_the_server(
    server: LoopbackServer, tmp_path: Path
) -> None:
    with use_cassette(str(tmp_path / "a.yaml")):
        assert get(server) == "one"
    with use_cassette(str(tmp_path / "a.yaml")) as cassette:
        assert get(server) == "one"

    assert len(cassette) == 1
    assert len(server.received) == 1
    assert cassette.all_played
    assert wiring._DOOR.guests == ()
    assert get(server) == "one"
    assert len(server.received) == 2


def test_asynchronous_generators_are_wrapped(server: LoopbackServer, tmp_path: Path) -> None:
    recorder = VCR(cassette_library_dir=str(tmp_path))

    @recorder.use_cassette("named", inject_cassette=True)
    async def several(cassette: Cassette, path: str) -> AsyncGenerator[str]:
        async with httpx.AsyncClient() as client:
            yield (await client.get(server.url + path)).text
        assert len(cassette) == 1

    async def all_of_them() -> list[str]:
        return [each async for each in cast("Any", several)("/x")]

    for _ in range(2):
        assert asyncio.run(all_of_them()) == ["one"]

    assert len(server.received) == 1


def test_functions_coroutines_and_generators_are_wrapped(
    server: LoopbackServer, tmp_path: Path
) -> None:
    recorder = VCR(cassette_library_dir=str(tmp_path), path_transformer=VCR.ensure_suffix(".yaml"))

    @recorder.use_cassette
    def plain() -> str:
        return get(server)

    @recorder.use_cassette()
    async def later() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(server.url + "/x")).text

    @recorder.use_cassette("named")
    def several() -> Generator[str, None, str]:
        yield get(server)
        return "end"

    for _ in range(2):
        assert plain() == "one"
        assert asyncio.run(later()) == "one"
        assert list(several()) == ["one"]

    assert len(server.received) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "later.yaml",
        "named.yaml",
        "plain.yaml",
    ]


def test_a_function_may_be_given_its_cassette(server: LoopbackServer, tmp_path: Path) -> None:
    @use_cassette(str(tmp_path / "a.yaml"), inject_cassette=True)
    def plain(cassette: Cassette, more: int = 7) -> tuple[int, int]:
        get(server)
        return len(cassette), more

    assert cast("Any", plain)() == (1, 7)


@pytest.mark.parametrize(("saves", "exists"), [(True, True), (False, False)])
def test_what_is_kept_of_a_block_that_fails(
    *, saves: bool, exists: bool, server: LoopbackServer, tmp_path: Path
) -> None:
    def fail() -> Any:
        get(server)
        raise ZeroDivisionError

    path = tmp_path / "a.yaml"
    with pytest.raises(ZeroDivisionError), use_cassette(str(path), record_on_exception=saves):
        fail()

    assert path.exists() is exists
    assert wiring._DOOR.guests == ()


def test_a_block_is_not_entered_while_it_is(tmp_path: Path) -> None:
    block = use_cassette(str(tmp_path / "a.yaml"))

    with block, pytest.raises(RuntimeError, match="open already"):
        block.__enter__()


def test_the_innermost_block_answers(server: LoopbackServer, tmp_path: Path) -> None:
    with use_cassette(str(tmp_path / "a.yaml")) as outer:
        with use_cassette(str(tmp_path / "b.yaml")) as inner:
            get(server)
        assert (len(outer), len(inner)) == (0, 1)
        get(server)
        assert (len(outer), len(inner)) == (1, 1)


def test_a_block_answers_before_a_session_and_the_session_again_after_it(
    server: LoopbackServer, tmp_path: Path
) -> None:
    with wiring.install(store="memory://", quiet=True, match=lambda _: True) as session:
        with use_cassette(str(tmp_path / "a.yaml")) as cassette:
            httpx.post(server.url + "/x", json={"model": "m", "messages": []})
        assert (len(cassette), session.stats().requests) == (1, 0)
        httpx.post(server.url + "/x", json={"model": "m", "messages": []})
        assert session.stats().requests == 1
