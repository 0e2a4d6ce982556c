"""Moderations, judged by the openai SDK."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types import ModerationCreateResponse

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.openai_moderations import ModerationsApi


def create(client: Any, asked: object) -> Any:
    return client.moderations.create(input=asked)


def test_moderations_satisfy_the_sdks_types_strictly(openai_client: Any) -> None:
    raw = openai_client.moderations.with_raw_response.create(input=["peace", "harm"])

    assert ModerationCreateResponse.model_validate_json(raw.http_response.read(), strict=True)


def test_a_result_depends_on_its_text_only(rehearsal: Rehearsal, openai_client: Any) -> None:
    both = create(openai_client, ["peace", "harm"]).results
    alone = create(openai_client, "harm").results

    assert alone == both[1:]
    assert [each.flagged for each in both] == [False, True]
    assert both[1].categories.violence
    assert both[1].category_scores.violence > 0.5
    assert rehearsal.calls().total.prompt_tokens == 0


def test_parts_have_one_result(openai_client: Any) -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}]

    assert len(create(openai_client, parts).results) == 1


@pytest.mark.parametrize("asked", [[], [1], [{"type": "video"}], ""])
def test_what_is_no_input_is_refused(openai_client: Any, asked: object) -> None:
    with pytest.raises(openai.BadRequestError):
        create(openai_client, asked)


def test_nothing_is_streamed() -> None:
    assert list(ModerationsApi().stream(ModerationsApi().read("", {"input": "x"}), ())) == []
