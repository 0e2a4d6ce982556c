"""Recorded answers of the dialects that turn streams into whole answers, and back.

That nothing is made of them but what the providers' own SDKs make is tested beside each dialect;
here, that no recording is left out, refused without a reason, or changed by being turned twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from cachesaver.canonical import parse_body
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers
from cachesaver.ports import Dialect
from recordings import Exchange
from recordings.dialects import spoken
from recordings.provider import plain

_VERCEL = "vercel+ai/packages"
_ANTHROPIC = f"{_VERCEL}/anthropic/src/__fixtures__"
_PYDANTIC = "pydantic+pydantic-ai/tests/models/cassettes"
_LANGCHAIN_COHERE = "langchain-ai+langchain-cohere/libs/cohere/tests/integration_tests/cassettes"

NOT_WHOLE: Mapping[str, str] = {
    # several messages in one file, one after the other
    f"{_ANTHROPIC}/anthropic-tool-search-deferred-regex.chunks.txt#0": "message_start",
    f"{_ANTHROPIC}/anthropic-tool-search-deferred-bm25.chunks.txt#0": "message_start",
    f"{_ANTHROPIC}/anthropic-tool-search-bm25.1.chunks.txt#0": "message_start",
    f"{_ANTHROPIC}/anthropic-programmatic-tool-calling.1.chunks.txt#0": "message_start",
    # two messages in one stream, made up by their project
    f"{_ANTHROPIC}/duplicate-message-start.chunks.txt#0": "message_start",
    f"{_ANTHROPIC}/spliced-message-start.chunks.txt#0": "message_start",
    # a call cut off within its arguments
    "anthropics+anthropic-sdk-python/tests/lib/streaming/fixtures/"
    "incomplete_partial_json_response.txt#0": "message_delta",
}
"""Streams that are stored and given as they are, and what `whole` says of them."""

_RUBY_LLM = "crmne+ruby_llm/spec/fixtures/vcr_cassettes"
_RUBY_OPENAI = "alexrudall+ruby-openai/spec/fixtures/cassettes"
_IMAGES = "openai+openai-dotnet/tests/SessionRecords/ImagesTests"

NOT_STREAMED: Mapping[str, str] = {
    # of two images
    f"{_IMAGES}/GenerationOfMultipleImagesWorks.json#0": "no stream of such an answer",
    f"{_IMAGES}/GenerationOfMultipleImagesWorksAsync.json#0": "no stream of such an answer",
    f"{_IMAGES}/GenerationWithOptionsWorks.json#0": "no stream of such an answer",
    f"{_IMAGES}/GenerationWithOptionsWorksAsync.json#0": "no stream of such an answer",
    # of OpenRouter's own path, whose streams nobody recorded
    f"{_RUBY_LLM}/image_edit_functionality_with_openrouter_reference_images_openrouter_google_"
    "gemini-3_1-flash-lite-image_edits_images_passed_via_with.yml#0": "no stream of such an answer",
    # of Mistral, whose transcriptions say more
    f"{_RUBY_LLM}/transcription_basic_functionality_mistral_voxtral-mini-latest_can_transcribe_"
    "audio.yml#0": "no stream of such an answer",
}
"""Whole answers that are stored and given as they are, and what `stream` says of them."""

UNSOUND: Mapping[str, str] = {
    f"{_RUBY_OPENAI}/images_edit_image_png_A_solid_red_Ruby_on_a_blue_background.yml#0": "a link",
    f"{_RUBY_OPENAI}/images_variations_image_png.yml#0": "the same",
    f"{_RUBY_LLM}/image_edit_functionality_with_xai_reference_images_xai_grok-imagine-image-quality"
    "_supports_image_edits_with_reference_images.yml#0": "the same",
    f"{_PYDANTIC}/test_groq/test_tool_use_failed_error_streaming.yaml#0": "an error event",
    f"{_PYDANTIC}/test_groq/test_tool_use_failed_error_streaming_with_text.yaml#0": "the same",
    f"{_PYDANTIC}/test_openrouter/test_openrouter_stream_error.yaml#0": "the same",
    f"{_VERCEL}/openai/src/responses/__fixtures__/openai-error.1.chunks.txt#0": "the same",
    f"{_PYDANTIC}/test_openai_responses/"
    "test_openai_previous_response_id_auto_mode.yaml#0": "written by hand, no status of the API",
    f"{_PYDANTIC}/test_openai_responses/test_openai_responses_verbosity.yaml#0": "the same",
    f"{_VERCEL}/openai/src/responses/__fixtures__/"
    "parallel-tool-call-wrapper.1.chunks.txt#0": "its lines have lost a brace",
    f"{_LANGCHAIN_COHERE}/test_sql_agent.yaml#0": "its last event says that it failed",
    f"{_LANGCHAIN_COHERE}/test_sql_agent.yaml#1": "the same",
}
"""Answers with 2xx, or without a status, that are no complete answer."""

SEVERAL = {
    # several answers in one file: what is left when it is cut may end with one of them
    f"{_VERCEL}/openai/src/responses/__fixtures__/openai-shell-tool.1.chunks.txt#0",
    f"{_VERCEL}/openai/src/responses/__fixtures__/openai-reasoning-encrypted-content.1.chunks.txt#0",
}

TOLD_OTHERWISE: Mapping[str, str] = {
    # What a whole answer loses or gains by being streamed: nothing that an SDK would tell apart.
    r"\.choices\[\]\.message\.content": "null where it was left out",
    r"\.choices\[\]\.message\.tool_calls\[\]\.index": "says where it stands; a stream's own field",
    r"\.choices\[\]\.delta": "Perplexity's: an empty delta beside the message",
    r"\.system_fingerprint": "null where OpenRouter left it out, for its SDK insists on it",
    r"\.object": "GitHub Copilot leaves it out",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A recorded answer, decoded, and how to ask for it; *failed* with the status of an error."""

    name: str
    dialect: Dialect
    response: Response
    request: Request
    failed: bool

    @property
    def body(self) -> Mapping[str, object]:
        """The request's body, asking for a stream that tells all it can."""
        asked = parse_body(self.request).members
        return {**asked, "stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def answers(exchanges: tuple[Exchange, ...]) -> list[Answer]:
    """Every recorded answer in a dialect that converts."""
    return [answer for exchange in exchanges if (answer := answer_of(exchange)) is not None]


def answer_of(exchange: Exchange) -> Answer | None:
    told = exchange.response
    if told.header("content-encoding") == "br" or not told.body:
        return None
    body = plain(told)
    dialect = spoken(exchange, body)
    if dialect is None or not dialect.converts:
        return None
    headers = without_headers(told.headers, ["content-encoding"])
    asked = exchange.request or Request(method="POST", url="https://a.test/v1")
    response = Response(status=200, headers=headers, chunks=(body,))
    return Answer(exchange.name, dialect, response, asked, failed=told.status >= 400)


def streams(answers: list[Answer]) -> list[Answer]:
    return [a for a in answers if not a.failed and a.dialect.streamed(a.response)]


def wholes(answers: list[Answer]) -> list[tuple[Answer, Response]]:
    """Every sound answer that has both forms, and its whole one."""
    left_out = {**UNSOUND, **NOT_WHOLE, **NOT_STREAMED}
    sound = [a for a in answers if not a.failed and a.name not in left_out]
    return [
        (a, a.dialect.whole(a.response) if a.dialect.streamed(a.response) else a.response)
        for a in sound
    ]


def streamed(answer: Answer, whole: Response) -> Response:
    return answer.dialect.stream(whole, answer.request, answer.body)


def test_all_that_was_recorded_is_looked_at(answers: list[Answer]) -> None:
    kinds = Counter(
        (a.dialect.name, "stream" if a.dialect.streamed(a.response) else "whole")
        for a in answers
        if not a.failed
    )

    assert kinds == {
        ("openai.chat", "whole"): 470,
        ("openai.chat", "stream"): 237,
        ("openai.completions", "whole"): 5,
        ("openai.completions", "stream"): 3,
        ("openai.responses", "whole"): 213,
        ("openai.responses", "stream"): 153,
        ("openai.images", "whole"): 10,
        ("openai.transcriptions", "whole"): 6,
        ("openai.transcriptions", "stream"): 3,
        ("anthropic.messages", "whole"): 97,
        ("anthropic.messages", "stream"): 83,
        ("anthropic.complete", "whole"): 3,
        ("anthropic.complete", "stream"): 2,
        ("gemini.generate", "whole"): 90,
        ("gemini.generate", "stream"): 65,
        ("gemini.interactions", "whole"): 6,
        ("gemini.interactions", "stream"): 6,
        ("bedrock.converse", "whole"): 39,
        ("bedrock.converse", "stream"): 14,
        ("bedrock.anthropic", "whole"): 11,
        ("bedrock.anthropic", "stream"): 9,
        ("cohere.chat", "whole"): 28,
        ("cohere.chat", "stream"): 12,
        ("cohere.chat_v1", "stream"): 3,
        ("ollama.chat", "whole"): 15,
        ("ollama.chat", "stream"): 16,
        ("ollama.generate", "whole"): 1,
        ("ollama.generate", "stream"): 1,
    }


def test_every_complete_recording_is_sound_and_no_other(answers: list[Answer]) -> None:
    unsound = {a.name for a in answers if not a.failed and not a.dialect.sound(a.response)}

    assert unsound == set(UNSOUND)


def test_no_error_is_sound_whatever_its_status(answers: list[Answer]) -> None:
    errors = [a for a in answers if a.failed]

    assert len(errors) > 80
    assert [a.name for a in errors if a.dialect.sound(a.response)] == []


def test_every_stream_becomes_a_whole_answer_or_says_why_not(answers: list[Answer]) -> None:
    refused = dict[str, str]()

    for answer in streams(answers):
        try:
            whole = answer.dialect.whole(answer.response)
        except DialectError as error:
            refused[answer.name] = str(error)
            continue
        assert not answer.dialect.streamed(whole), answer.name
        assert whole.content_type == "application/json", answer.name
        assert answer.dialect.sound(whole) or answer.name in UNSOUND, answer.name

    refused = {name: why for name, why in refused.items() if name not in UNSOUND}
    assert set(refused) == set(NOT_WHOLE)
    assert [name for name, why in refused.items() if NOT_WHOLE[name] not in why] == []


def test_every_whole_answer_becomes_a_stream_or_says_why_not(answers: list[Answer]) -> None:
    refused = dict[str, str]()

    for answer in answers:
        if answer.failed or answer.name in UNSOUND or answer.dialect.streamed(answer.response):
            continue
        try:
            assert answer.dialect.streamed(streamed(answer, answer.response)), answer.name
        except DialectError as error:
            refused[answer.name] = str(error)

    assert set(refused) == set(NOT_STREAMED)
    assert [name for name, why in refused.items() if NOT_STREAMED[name] not in why] == []


def test_a_whole_answer_made_a_stream_is_the_same_answer(answers: list[Answer]) -> None:
    changed = dict[str, str]()

    for answer, whole in wholes(answers):
        stream = streamed(answer, whole)
        assert answer.dialect.streamed(stream), answer.name
        assert answer.dialect.sound(stream), answer.name
        one, other = (json.loads(each.body) for each in (whole, answer.dialect.whole(stream)))
        changed |= {re.sub(r"\[\d+\]", "[]", where): answer.name for where in changes(one, other)}

    unexplained = {
        where: name
        for where, name in changed.items()
        if not any(re.fullmatch(row, where) for row in TOLD_OTHERWISE)
    }
    assert unexplained == {}
    assert len(changed) == len(TOLD_OTHERWISE)


def changes(one: object, other: object, at: str = "") -> list[str]:
    """Where two JSON values differ, as paths."""
    if is_object(one) and is_object(other):
        pairs = [(f".{name}", one.get(name, ...), other.get(name, ...)) for name in {*one, *other}]
    elif is_list(one) and is_list(other) and len(one) == len(other):
        pairs = [(f"[{n}]", *both) for n, both in enumerate(zip(one, other, strict=True))]
    else:
        return [] if type(one) is type(other) and one == other else [at]
    return [where for step, a, b in pairs for where in changes(a, b, at + step)]


def test_what_was_turned_once_is_turned_without_any_change(answers: list[Answer]) -> None:
    for answer, whole in wholes(answers):
        once = answer.dialect.whole(streamed(answer, whole))
        twice = answer.dialect.whole(streamed(answer, once))

        assert changes(json.loads(once.body), json.loads(twice.body)) == [], answer.name


def test_model_and_usage_are_the_same_in_every_form(answers: list[Answer]) -> None:
    for answer, whole in wholes(answers):
        told = answer.dialect.usage(answer.response)

        assert answer.dialect.usage(whole) == told, answer.name
        assert answer.dialect.usage(streamed(answer, whole)) == told, answer.name


def test_a_stream_that_broke_off_is_not_sound(answers: list[Answer]) -> None:
    """Given any recorded stream, when it is cut in its first quarter or half, then it is none."""
    for answer in streams(answers):
        if answer.name in {**UNSOUND, **NOT_WHOLE} or answer.name in SEVERAL:
            continue
        body = answer.response.body
        for length in (len(body) // 4, len(body) // 2):
            cut = Response(status=200, headers=answer.response.headers, chunks=(body[:length],))
            assert not answer.dialect.sound(cut), f"{answer.name} at {length}"
            assert not answer.dialect.finished(cut.body[-4096:]), f"{answer.name} at {length}"
