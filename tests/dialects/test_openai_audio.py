from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.canonical import parse_body
from cachesaver.dialects import recognise
from cachesaver.dialects.openai_audio import CompatibleSpeech, CompatibleTranscriptions
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from recordings import read_corpus

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/audio/"
OTHER = "http://localhost:8000/v1/audio/"
HEARD = CompatibleTranscriptions()
SAID = CompatibleSpeech()
USAGE: Body = {"type": "tokens", "input_tokens": 17, "output_tokens": 10, "total_tokens": 27}
SPEAK: Body = {"model": "m", "input": "Hello", "voice": "alloy"}


def form(
    fields: Body | None = None,
    *,
    called: str = "a.wav",
    content: bytes = b"RIFF",
    url: str = OTHER + "transcriptions",
) -> Request:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in {"model": "m", **(fields or {})}.items()
    ]
    parts.append(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        % (called.encode(), content)
    )
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    return Request(method="POST", url=url, headers=headers, body=b"".join([*parts, b"--b--\r\n"]))


def recognised(request: Request) -> Any:
    return recognise(request, parse_body(request).members)


def fingerprint(request: Request) -> str:
    return identify(request, recognised(request)).fingerprint


def speak(url: str = OTHER + "speech", **extra: object) -> Request:
    return Request(method="POST", url=url, body=json.dumps({**SPEAK, **extra}).encode())


def response(body: bytes, kind: str = "application/json") -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=(body,))


def heard(**answer: object) -> Response:
    return response(json.dumps(answer).encode())


def streamed(*events: Body, done: bool = True) -> Response:
    told = [f"data: {json.dumps(event)}\r\n\r\n".encode() for event in events]
    body = b"".join([*told, *([b"data: [DONE]\r\n\r\n"] if done else [])])
    return response(body, "text/event-stream; charset=utf-8")


def delta(text: str) -> Body:
    return {"type": "transcript.text.delta", "delta": text}


DONE: Body = {"type": "transcript.text.done", "text": "Hello world", "usage": USAGE}
TRANSCRIPT = streamed(delta("Hello"), delta(" world"), DONE)


class TestTranscriptions:
    @pytest.mark.parametrize("end", ["transcriptions", "translations"])
    @pytest.mark.parametrize("host", [OPENAI, OTHER])
    def test_a_file_and_a_model_tell(self, host: str, end: str) -> None:
        assert recognised(form(url=host + end)).name == "openai.transcriptions"

    @pytest.mark.parametrize("place", ["url", "file_url", "file_id"])
    def test_so_does_where_the_file_lies(self, place: str) -> None:
        body = {"model": "m", place: "x"}
        request = Request(
            method="POST", url=OTHER + "transcriptions", body=json.dumps(body).encode()
        )

        assert recognised(request) is not None

    def test_what_a_file_is_called_does_not_count_but_its_format_and_bytes_do(self) -> None:
        one = fingerprint(form())

        assert fingerprint(form(called="tmp8a1b2c3.WAV")) == one
        assert fingerprint(form(called="a.mp3")) != one
        assert fingerprint(form(called="wav")) != one
        assert fingerprint(form(content=b"other")) != one

    @pytest.mark.parametrize("extra", [{"prompt": "x"}, {"language": "en"}, {"temperature": "0.5"}])
    def test_all_other_fields_count(self, extra: Body) -> None:
        assert fingerprint(form(extra)) != fingerprint(form())

    def test_the_form_of_the_answer_does_not(self) -> None:
        assert fingerprint(form({"stream": "true"})) == fingerprint(form())

    @pytest.mark.parametrize("extra", [{"response_format": "json"}, {"temperature": "0"}])
    def test_a_default_is_dropped_only_where_it_is_documented(self, extra: Body) -> None:
        url = OPENAI + "transcriptions"

        assert fingerprint(form(extra, url=url)) == fingerprint(form(url=url))
        assert fingerprint(form(extra)) != fingerprint(form())

    @pytest.mark.parametrize("form_", ["text", "srt", "vtt", "verbose_json"])
    def test_streams_of_text_formats_pass_through(self, form_: str) -> None:
        assert recognised(form({"response_format": form_})) is not None
        assert recognised(form({"response_format": form_, "stream": "true"})) is None

    def test_whisper_gives_no_stream_whoever_asks(self) -> None:
        request = form({"model": "whisper-1", "stream": "true"})

        assert not HEARD.wants_stream(request, parse_body(request).members)

    def test_a_whole_answer_becomes_a_stream_and_back(self) -> None:
        whole = heard(text="Hello world", usage=USAGE)

        stream = HEARD.stream(whole, form(), {"stream": "true"})

        assert stream.body == b"".join(
            b"data: %s\n\n" % told
            for told in (
                json.dumps(delta("Hello world"), separators=(",", ":")).encode(),
                json.dumps(DONE, separators=(",", ":")).encode(),
                b"[DONE]",
            )
        )
        assert json.loads(HEARD.whole(stream).body) == json.loads(whole.body)
        assert HEARD.usage(stream) == HEARD.usage(whole) == ("", USAGE)
        assert HEARD.whole(whole) is whole
        assert HEARD.stream(stream, form(), {}) is stream

    def test_log_probabilities_and_languages_are_carried_over(self) -> None:
        logprobs = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}]
        whole = heard(text="Hi", logprobs=logprobs, languages=[{"code": "en"}], usage=USAGE)

        stream = HEARD.stream(whole, form(), {})

        assert b'"type":"transcript.text.delta","delta":"Hi","logprobs":[{' in stream.body
        assert json.loads(HEARD.whole(stream).body) == json.loads(whole.body)

    def test_silence_has_no_delta(self) -> None:
        stream = HEARD.stream(heard(text="", usage=USAGE), form(), {})

        assert b"delta" not in stream.body
        assert HEARD.sound(stream)

    def test_a_recorded_stream_becomes_a_whole_answer(self) -> None:
        assert json.loads(HEARD.whole(TRANSCRIPT).body) == {"text": "Hello world", "usage": USAGE}

    @pytest.mark.parametrize(
        "whole",
        [
            heard(text="x", segments=[{"start": 0}], duration=1.0),
            heard(text=None),
            response(b"1\n00:00 --> 00:06\nx\n", "text/plain"),
        ],
    )
    def test_of_what_says_more_or_less_there_is_no_stream(self, whole: Response) -> None:
        with pytest.raises(DialectError):
            HEARD.stream(whole, form(), {})

    def test_of_segments_there_is_no_whole_answer(self) -> None:
        segment = {"type": "transcript.text.segment", "id": "1", "text": "x", "speaker": "A"}

        with pytest.raises(DialectError, match="more than a text"):
            HEARD.whole(streamed(segment, DONE))
        assert HEARD.sound(streamed(segment, DONE))

    @pytest.mark.parametrize(
        "answer",
        [
            heard(text=""),
            heard(text="x", segments=[]),
            response(b"\n", "text/plain"),
            response(b"data: is what she said", "text/plain; charset=utf-8"),
            TRANSCRIPT,
            streamed(delta("x"), {"type": "transcription.done", "text": "x", "model": "voxtral"}),
        ],
    )
    def test_what_is_complete_is_sound(self, answer: Response) -> None:
        assert HEARD.sound(answer)

    @pytest.mark.parametrize(
        "answer",
        [
            response(b""),
            response(b"", "text/plain"),
            response(b"<html>", "text/html"),
            heard(error={"message": "no"}, text="x"),
            heard(usage=USAGE),
            streamed(delta("Hello")),
            streamed(delta("Hello"), {"type": "error", "error": {"message": "no"}}, DONE),
        ],
    )
    def test_what_is_not_is_not(self, answer: Response) -> None:
        assert not HEARD.sound(answer)

    @given(st.integers(0, len(TRANSCRIPT.body) - 1))
    def test_a_stream_that_is_cut_is_not_finished(self, length: int) -> None:
        assert not HEARD.finished(TRANSCRIPT.body[:length][-4096:])
        assert HEARD.finished(TRANSCRIPT.body[-4096:])

    def test_texts_cost_what_nobody_says(self) -> None:
        assert HEARD.usage(response(b"Hello\n", "text/plain")) == ("", {})


def test_a_recorded_stream_says_in_pieces_what_its_whole_form_says(corpus: Path) -> None:
    seen = 0

    for exchange in read_corpus(corpus):
        stream = exchange.response
        dialect = recognised(exchange.request) if exchange.request else None
        if not isinstance(dialect, CompatibleTranscriptions) or not dialect.streamed(stream):
            continue
        told = [json.loads(event.data) for event in decode(stream.body) if event.data != "[DONE]"]
        whole = json.loads(dialect.whole(stream).body)
        assert whole["text"] == "".join(each.get("delta", "") for each in told), exchange.name
        assert whole["usage"] == told[-1]["usage"], exchange.name
        assert dialect.finished(stream.body[-4096:]), exchange.name
        seen += 1

    assert seen == 3


class TestSpeech:
    @pytest.mark.parametrize(
        "extra", [{"speed": 1.5}, {"instructions": "x"}, {"voice": {"id": "v"}}]
    )
    def test_all_fields_count(self, extra: Body) -> None:
        assert fingerprint(speak(**extra)) != fingerprint(speak())

    @pytest.mark.parametrize(
        "extra", [{"response_format": "mp3"}, {"speed": 1.0}, {"stream_format": "audio"}]
    )
    def test_a_default_is_dropped_only_where_it_is_documented(self, extra: Body) -> None:
        url = OPENAI + "speech"

        assert fingerprint(speak(url, **extra)) == fingerprint(speak(url))
        assert fingerprint(speak(**extra)) != fingerprint(speak())

    def test_bytes_and_events_are_two_questions(self) -> None:
        events = {**SPEAK, "stream_format": "sse"}

        assert fingerprint(speak(stream_format="sse")) != fingerprint(speak())
        assert SAID.wants_stream(speak(), events)
        assert not SAID.wants_stream(speak(), SPEAK)
        assert SAID.fits(response(b":", "audio/pcm"), speak(), events)

    @pytest.mark.parametrize("kind", ["audio/mpeg", "application/octet-stream"])
    def test_bytes_are_a_file_whatever_they_begin_with(self, kind: str) -> None:
        for body in (b"data: 1", b"{", b": :", b"\xff\xf3"):
            assert SAID.sound(response(body, kind))
            assert not SAID.streamed(response(body, kind))
            assert SAID.usage(response(body, kind)) == ("", {})
        assert not SAID.sound(response(b"", kind))

    def test_a_file_may_be_held_by_json(self) -> None:
        assert SAID.sound(response(b'{"audio_data":"AA=="}'))
        assert not SAID.sound(response(b'{"audio_data":""}'))
        assert not SAID.sound(response(b'{"error":{"message":"no"}}'))
        assert not SAID.sound(response(b"[]"))
        assert not SAID.sound(response(b"<html>", "text/html"))

    def test_events_end_with_what_they_cost(self) -> None:
        delta_ = {"type": "speech.audio.delta", "audio": "AA=="}
        done = {"type": "speech.audio.done", "usage": USAGE}
        stream = streamed(delta_, done)

        assert SAID.sound(stream)
        assert SAID.usage(stream) == ("", USAGE)
        assert SAID.finished(stream.body[-4096:])
        assert not SAID.sound(streamed(delta_))
        assert not SAID.sound(streamed(delta_, {"error": {"message": "no"}}, done))
        assert not SAID.sound(response(b"data: {\n\n", "text/event-stream"))
        assert SAID.usage(streamed(delta_)) == ("", {})
