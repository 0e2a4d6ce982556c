"""The list of models, in the form of whoever asks."""

from __future__ import annotations

from typing import Any

import pytest

from cachesaver.rehearsal.models import DEFAULT_MODELS, models_answer


def test_each_sdk_reads_the_list_and_a_single_model(
    openai_client: Any, anthropic_client: Any, gemini_client: Any
) -> None:
    expected = list(DEFAULT_MODELS)

    assert [model.id for model in openai_client.models.list()] == expected
    assert [model.id for model in anthropic_client.models.list()] == expected
    assert [m.name for m in gemini_client.models.list()] == [f"models/{each}" for each in expected]
    assert openai_client.models.retrieve("x").id == "x"
    assert anthropic_client.models.retrieve("x").id == "x"
    assert gemini_client.models.get(model="x").name == "models/x"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/models", 200), ("/v1/models/a", 200), ("/v1/models/b", 404), ("/v1/else", 404)],
)
def test_only_known_models_are_there(path: str, status: int) -> None:
    assert models_answer(path, {}, ("a",))[1] == status
