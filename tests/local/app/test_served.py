from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import local_words
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.served import Served, Shop


class Closable(local_words.Script):
    closed = False

    def close(self) -> None:
        self.closed = True


def served(name: str, engine: Any = None) -> Served:
    return Served(name=name, tongue=local_words.tongue(), engine=engine)


def test_models_are_found_by_name() -> None:
    shop = Shop([served("a"), served("b")])

    assert shop.find("b").name == "b"
    with pytest.raises(Refusal, match="there is a, b") as raised:
        shop.find("c")
    assert (raised.value.status, raised.value.code) == (404, "model_not_found")


def test_names_are_different() -> None:
    with pytest.raises(ValueError, match="same name"):
        Shop([served("a"), served("a")])


def test_a_model_that_writes_nothing_says_so() -> None:
    with pytest.raises(Refusal, match="ask /v1/embeddings"):
        served("a").writer  # noqa: B018


def test_fingerprints_tell_models_apart() -> None:
    engine = local_words.Script()
    prints = {each.fingerprint for each in (served("a"), served("a", engine), served("b", engine))}

    assert len(prints) == 3
    assert served("a").fingerprint in prints


def test_work_is_done_off_the_loop() -> None:
    shop = Shop([served("a")])

    async def name() -> str:
        return await shop.off_loop(lambda: threading.current_thread().name)

    assert asyncio.run(name()).startswith("cachesaver-local-text")


def test_closing_closes_the_engines() -> None:
    engine = Closable()

    Shop([served("a", engine), served("b")]).close()

    assert engine.closed
