"""Images, judged by the openai SDK."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import openai
import pytest
from openai.types import (
    ImageEditCompletedEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
)

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

ASK: Any = {"model": "gpt-image-1", "prompt": "a sign"}
PICTURE = ("sign.png", b"\x89PNG")


def raw(create: Any, **ask: Any) -> bytes:
    body: bytes = create(**ask).http_response.read()
    return body


def test_images_satisfy_the_sdks_types_strictly(openai_client: Any) -> None:
    create = openai_client.images.with_raw_response.generate

    assert ImagesResponse.model_validate_json(raw(create, **ASK, n=2), strict=True)
    *partial, last = decode(raw(create, **ASK, stream=True, partial_images=2))
    assert [json.loads(each.data)["partial_image_index"] for each in partial] == [0, 1]
    for each in partial:
        assert ImageGenPartialImageEvent.model_validate_json(each.data, strict=True)
    assert ImageGenCompletedEvent.model_validate_json(last.data, strict=True)
    assert last.name == "image_generation.completed"


def test_edits_satisfy_them_too(openai_client: Any) -> None:
    edit = openai_client.images.with_raw_response.edit

    assert ImagesResponse.model_validate_json(raw(edit, **ASK, image=PICTURE, n=2), strict=True)
    (last,) = decode(raw(edit, **ASK, image=[PICTURE, PICTURE], stream=True))
    assert ImageEditCompletedEvent.model_validate_json(last.data, strict=True)


def test_a_stream_ends_with_the_image_of_the_whole_answer(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    whole = openai_client.images.generate(**ASK)
    rehearsal.reset()

    (last,) = openai_client.images.generate(**ASK, stream=True)

    assert last.b64_json == whole.data[0].b64_json
    assert last.usage.total_tokens == whole.usage.total_tokens


def test_every_image_is_another_and_a_picture(openai_client: Any) -> None:
    answer = openai_client.images.generate(**ASK, n=3)

    pictures = [base64.b64decode(each.b64_json) for each in answer.data]
    assert len(set(pictures)) == 3
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        length, kind = struct.unpack(">I4s", picture[8:16])
        checked = picture[12 : 16 + length]
        assert (length, kind) == (13, b"IHDR")
        assert zlib.crc32(checked) == struct.unpack(">I", picture[16 + length : 20 + length])[0]


def test_an_image_may_be_pointed_to(openai_client: Any) -> None:
    answer = openai_client.images.generate(**ASK, response_format="url")

    assert answer.data[0].url.startswith("https://images.test/")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's own business
def test_a_variation_has_no_prompt(openai_client: Any) -> None:
    assert openai_client.images.create_variation(image=PICTURE, n=2).data[1].b64_json


@pytest.mark.parametrize("extra", [{"n": 11}, {"n": 2, "model": "dall-e-3"}, {"prompt": ""}])
def test_what_the_api_refuses_is_refused(openai_client: Any, extra: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        openai_client.images.generate(**ASK | extra)


def test_an_edit_without_an_image_is_refused(openai_client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="image"):
        openai_client.post("/images/edits", body=ASK, cast_to=object)


def test_a_number_that_is_none_is_refused_in_a_form_too(openai_client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="'n'"):
        openai_client.images.edit(**ASK, image=PICTURE, n="many")


def test_what_is_asked_of_the_picture_is_told(openai_client: Any) -> None:
    answer = openai_client.images.generate(**ASK, size="1024x1536", quality="auto")

    assert (answer.size, answer.quality) == ("1024x1536", "low")
