from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest


def get(server: Any, path: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}")


def test_models_are_listed(client: openai.OpenAI) -> None:
    listed = {each.id: each for each in client.models.list()}

    assert listed.keys() == {"tiny", "tiny-bert"}
    assert listed["tiny"].model_dump()["context_length"] == 512
    assert client.models.retrieve("tiny-bert").id == "tiny-bert"


def test_a_model_that_is_not_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("some/other")

    assert raised.value.code == "model_not_found"


def test_health(server: Any) -> None:
    assert get(server, "/health").json() == {"status": "ok", "models": ["tiny", "tiny-bert"]}


def test_metrics_can_be_read_by_prometheus(server: Any, client: openai.OpenAI) -> None:
    def drawn() -> int:
        lines = get(server, "/metrics").text.splitlines()
        (line,) = (
            each for each in lines if each.startswith("cachesaver_local_answer_tokens_total{")
        )
        assert line.startswith('cachesaver_local_answer_tokens_total{model="tiny"} ')
        return int(line.rpartition(" ")[2])

    before = drawn()
    client.completions.create(
        model="tiny", prompt="a", max_tokens=5, extra_body={"ignore_eos": True}
    )

    assert drawn() == before + 5
    assert get(server, "/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE cachesaver_local_running gauge" in get(server, "/metrics").text
