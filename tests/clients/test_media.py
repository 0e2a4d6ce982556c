"""Images and audio of the openai SDK: forms, bytes, streams and several images of one call."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI

PICTURE = b"\x89PNG\r\n\x1a\nnot much of a picture"
SOUND = b"RIFF....WAVEnot much of a sound"
IMAGE: Any = {"model": "gpt-image-1"}
HEARD: Any = {"model": "gpt-4o-mini-transcribe"}
SAID: Any = {"model": "gpt-4o-mini-tts", "voice": "alloy"}


def made(url: str) -> Any:
    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def azure(url: str) -> Any:
    return openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2025-04-01")


def wav(name: str = "speech.wav") -> tuple[str, bytes]:
    return name, SOUND


# --- programs: functions of the rehearsal's address


def image(url: str) -> Any:
    answer = made(url).images.generate(**IMAGE, prompt="a stop sign")
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
    return answer.model_dump()


async def async_image(url: str) -> Any:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        return (await client.images.generate(**IMAGE, prompt="an async sign")).model_dump()


def images(url: str) -> Any:
    answer = made(url).images.generate(**IMAGE, prompt="three signs", n=3)
    assert len({each.b64_json for each in answer.data}) == 3
    return answer.model_dump()


def more_than_before(url: str) -> Any:
    """One image, then three in another namespace: of which one is known; then one of these."""
    create = made(url).images.generate
    one = create(**IMAGE, prompt="more than before").data[0].b64_json
    with cachesaver.namespace("more"):
        three = [each.b64_json for each in create(**IMAGE, prompt="more than before", n=3).data]
    assert three[0] == one
    return three


def streamed_image(url: str) -> Any:
    stream = made(url).images.generate(**IMAGE, prompt="a streamed sign", stream=True)
    return [event.model_dump() for event in stream]


def partial_images(url: str) -> Any:
    stream = made(url).images.generate(
        **IMAGE, prompt="a sign in parts", stream=True, partial_images=2
    )
    events = [event.model_dump() for event in stream]
    assert [event["type"].rpartition(".")[2] for event in events] == [
        "partial_image",
        "partial_image",
        "completed",
    ]
    return events


def image_whole_then_streamed(url: str) -> Any:
    create, ask = made(url).images.generate, IMAGE | {"prompt": "whole, then streamed"}
    whole = create(**ask).data[0].b64_json
    with cachesaver.namespace("other"):
        (event,) = create(**ask, stream=True)
    assert event.type == "image_generation.completed"
    return [whole, event.b64_json]


def image_streamed_then_whole(url: str) -> Any:
    create, ask = made(url).images.generate, IMAGE | {"prompt": "streamed, then whole"}
    (event,) = create(**ask, stream=True)
    with cachesaver.namespace("other"):
        return [event.b64_json, create(**ask).data[0].b64_json]


def edited_image(url: str) -> Any:
    """Two of a form's own, which the SDK sends in random boundaries."""
    edit = made(url).images.edit
    answer = edit(**IMAGE, prompt="make it red", image=("sign.png", PICTURE), n=2)
    assert len({each.b64_json for each in answer.data}) == 2
    return answer.model_dump()


def edit_streamed_then_whole(url: str) -> Any:
    edit, ask = made(url).images.edit, IMAGE | {"prompt": "make it blue"}
    pictures = [("one.png", PICTURE), ("two.png", PICTURE + b"2")]
    (event,) = edit(**ask, image=pictures, stream=True)
    assert event.type == "image_edit.completed"
    with cachesaver.namespace("other"):
        return [event.b64_json, edit(**ask, image=pictures).data[0].b64_json]


def azure_image(url: str) -> Any:
    return azure(url).images.generate(model="my-images", prompt="an Azure sign").model_dump()


def transcription(url: str) -> Any:
    return made(url).audio.transcriptions.create(**HEARD, file=wav()).model_dump()


async def async_transcription(url: str) -> Any:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        answer = await client.audio.transcriptions.create(
            **HEARD, file=wav("async.wav"), prompt="x"
        )
        return answer.model_dump()


def transcription_formats(url: str) -> Any:
    create = made(url).audio.transcriptions.create
    said = [
        create(model="whisper-1", file=wav(), response_format=form)
        for form in ("text", "srt", "vtt")
    ]
    verbose = create(model="whisper-1", file=wav(), response_format="verbose_json")
    assert all(isinstance(each, str) for each in said)
    assert said[2].startswith("WEBVTT")
    return [*said, verbose.model_dump()]


def translation(url: str) -> Any:
    return made(url).audio.translations.create(model="whisper-1", file=wav()).model_dump()


def streamed_transcription(url: str) -> Any:
    stream = made(url).audio.transcriptions.create(
        **HEARD, file=wav(), prompt="streamed", stream=True
    )
    return [event.model_dump() for event in stream]


def heard_whole_then_streamed(url: str) -> Any:
    create = made(url).audio.transcriptions.create
    ask = HEARD | {"file": wav(), "prompt": "whole, then streamed"}
    whole = create(**ask)
    with cachesaver.namespace("other"):
        events = list(create(**ask, stream=True))
    assert events[-1].usage.to_dict() == whole.usage.to_dict()
    assert "".join(each.delta for each in events[:-1]) == events[-1].text
    return [whole.text, events[-1].text]


def heard_streamed_then_whole(url: str) -> Any:
    create = made(url).audio.transcriptions.create
    ask = HEARD | {"file": wav(), "prompt": "streamed, then whole"}
    *_, last = create(**ask, stream=True)
    with cachesaver.namespace("other"):
        whole = create(**ask)
    assert whole.usage.to_dict() == last.usage.to_dict()
    return [last.text, whole.text]


def speech(url: str) -> Any:
    answer = made(url).audio.speech.create(**SAID, input="Hello")
    assert answer.response.headers["content-type"] == "audio/mpeg"
    return answer.content.hex()


def speech_streamed_to_a_file(url: str) -> Any:
    create = made(url).audio.speech.with_streaming_response.create
    with create(**SAID, input="Hello, file", response_format="wav") as answer:
        content = b"".join(answer.iter_bytes())
    assert content.startswith(b"RIFF")
    return content.hex()


def speech_in_events(url: str) -> Any:
    create = made(url).audio.speech.with_streaming_response.create
    with create(**SAID, input="Hello, events", stream_format="sse") as answer:
        text = answer.text()
    assert "speech.audio.done" in text
    return text


async def async_speech(url: str) -> Any:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        return (await client.audio.speech.create(**SAID, input="Hello, async")).content.hex()


PROGRAMS = {
    program.__name__: program
    for program in (
        image,
        async_image,
        images,
        more_than_before,
        streamed_image,
        partial_images,
        image_whole_then_streamed,
        image_streamed_then_whole,
        edited_image,
        edit_streamed_then_whole,
        azure_image,
        transcription,
        async_transcription,
        transcription_formats,
        translation,
        streamed_transcription,
        heard_whole_then_streamed,
        heard_streamed_then_whole,
        speech,
        speech_streamed_to_a_file,
        speech_in_events,
        async_speech,
    )
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


# --- what goes upstream


@pytest.fixture
def _session(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[None]:
    with cachesaver.install(namespace="a", store=tmp_path / "s", quiet=True, strict=True):
        yield


@pytest.mark.usefixtures("_session")
class TestUpstream:
    def test_images_that_are_missing_are_bought_with_one_call(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).images.generate
        create(**IMAGE, prompt="a sign")

        with cachesaver.namespace("b"):
            create(**IMAGE, prompt="a sign", n=4)

        asked = [json.loads(each.body).get("n", 1) for each in rehearsal.calls().received]
        assert asked == [1, 3]

    def test_missing_edits_are_asked_for_in_the_form(self, rehearsal: Rehearsal) -> None:
        edit, ask = made(rehearsal.url).images.edit, IMAGE | {"prompt": "a sign"}
        first = edit(**ask, image=("sign.png", PICTURE))

        with cachesaver.namespace("b"):
            three = edit(**ask, image=("sign.png", PICTURE), n=3)

        assert len({each.b64_json for each in three.data}) == 3
        assert three.data[0] == first.data[0]
        assert rehearsal.calls().total.samples == 3
        assert rehearsal.calls().calls == 2

    def test_what_a_temporary_file_is_called_does_not_matter(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).audio.transcriptions.create
        one = create(**HEARD, file=wav("tmp8a1b2c3d.wav"))

        with cachesaver.namespace("b"):
            other = create(**HEARD, file=wav("tmp9z9y9x9w.WAV"))
            create(**HEARD, file=("tmp.mp3", SOUND))

        assert one.text == other.text
        assert rehearsal.calls().calls == 2

    def test_what_is_in_the_file_does(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).audio.transcriptions.create

        for content in (b"one", b"two"):
            named = io.BytesIO(content)
            named.name = "speech.wav"
            create(**HEARD, file=named)

        assert rehearsal.calls().calls == 2

    def test_an_image_that_is_only_pointed_to_is_not_kept(self, rehearsal: Rehearsal) -> None:
        """Given an answer by address, which dies within the hour, then every call is live."""
        create = made(rehearsal.url).images.generate

        for _ in range(2):
            create(model="dall-e-3", prompt="a sign", response_format="url")
            create(model="some-model", prompt="a sign", response_format="url")

        assert rehearsal.calls().calls == 4

    @pytest.mark.parametrize("fault", ["429;times=1", "500;times=1"])
    def test_an_error_is_passed_on_and_kept_nowhere(self, rehearsal: Rehearsal, fault: str) -> None:
        create = made(rehearsal.url).images.generate
        rehearsal.fault(fault, endpoint="openai.images")

        with pytest.raises(openai.APIStatusError):
            create(**IMAGE, prompt="a sign")
        create(**IMAGE, prompt="a sign")

        assert rehearsal.calls().calls == 2

    @pytest.mark.parametrize("fault", ["cut-stream;times=1", "error-event;times=1"])
    def test_a_broken_stream_is_kept_nowhere(self, rehearsal: Rehearsal, fault: str) -> None:
        create = made(rehearsal.url).audio.transcriptions.create
        rehearsal.fault(fault, endpoint="openai.transcriptions")

        with pytest.raises(Exception, match=r".+"):
            list(create(**HEARD, file=wav(), stream=True))
        events = list(create(**HEARD, file=wav(), stream=True))

        assert events[-1].type == "transcript.text.done"
        assert rehearsal.calls().calls == 2

    def test_who_leaves_after_the_last_event_leaves_a_sample(self, rehearsal: Rehearsal) -> None:
        create, ask = made(rehearsal.url).images.generate, IMAGE | {"prompt": "a sign"}
        with create(**ask, stream=True) as stream:
            event = next(iter(stream))

        with cachesaver.namespace("b"):
            again = create(**ask)

        assert again.data[0].b64_json == event.b64_json
        assert rehearsal.calls().calls == 1
