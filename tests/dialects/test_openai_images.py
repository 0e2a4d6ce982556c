from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.canonical import parse_body
from cachesaver.dialects import recognise
from cachesaver.dialects.openai_images import CompatibleImages, OneImage
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/images/generations"
OTHER = "http://localhost:8000/v1/images/generations"
EDITS = "https://api.openai.com/v1/images/edits"
ASK: Body = {"model": "m", "prompt": "a sign"}
USAGE: Body = {
    "input_tokens": 14,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 14},
    "output_tokens": 272,
    "total_tokens": 286,
}
ABOUT: Body = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1x1"}
DIALECT = CompatibleImages()
GENERATE = Request(method="POST", url=OTHER, body=json.dumps(ASK).encode())
STREAM: Body = {**ASK, "stream": True}


def asked(url: str, body: Body) -> Request:
    return Request(method="POST", url=url, body=json.dumps(body).encode())


def form(fields: dict[str, str], *files: tuple[str, str, bytes], url: str = EDITS) -> Request:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    parts += [
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
        b"Content-Type: image/png\r\n\r\n%s\r\n" % (name.encode(), called.encode(), content)
        for name, called, content in files
    ]
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    return Request(method="POST", url=url, headers=headers, body=b"".join([*parts, b"--b--\r\n"]))


def recognised(request: Request) -> Any:
    return recognise(request, parse_body(request).members)


def fingerprint(request: Request) -> str:
    return identify(request, recognised(request)).fingerprint


def answered(*pictures: str, **more: object) -> Response:
    data = [{"b64_json": picture} for picture in pictures]
    body = {"created": 5, **ABOUT, "data": data, **more}
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def streamed(*events: Body) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        chunks=tuple(
            f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
        ),
    )


def completed(picture: str = "AA==", kind: str = "image_generation.completed") -> Body:
    return {"type": kind, "b64_json": picture, "created_at": 5, **ABOUT, "usage": USAGE}


PARTIAL: Body = {
    "type": "image_generation.partial_image",
    "b64_json": "AAA=",
    "created_at": 5,
    "partial_image_index": 0,
    **ABOUT,
}


@pytest.mark.parametrize("url", [OPENAI, OTHER])
@pytest.mark.parametrize(
    "extra", [{"n": 3}, {"stream": True}, {"safety_identifier": "s"}, {"size": None}]
)
def test_fields_that_do_not_shape_the_answer_do_not_count(url: str, extra: Body) -> None:
    assert fingerprint(asked(url, {**ASK, **extra})) == fingerprint(asked(url, ASK))


def test_a_user_is_a_label_only_where_that_is_documented() -> None:
    named = {**ASK, "user": "u"}

    assert fingerprint(asked(OPENAI, named)) == fingerprint(asked(OPENAI, ASK))
    assert fingerprint(asked(OTHER, named)) != fingerprint(asked(OTHER, ASK))


@pytest.mark.parametrize(
    "extra", [{"size": "1024x1024"}, {"quality": "low"}, {"partial_images": 1, "stream": True}]
)
def test_all_other_fields_count(extra: Body) -> None:
    assert fingerprint(asked(OPENAI, {**ASK, **extra})) != fingerprint(asked(OPENAI, ASK))


@pytest.mark.parametrize(
    "extra",
    [{"size": "auto"}, {"output_format": "png"}, {"partial_images": 0}, {"quality": "auto"}],
)
def test_a_default_is_dropped_only_where_it_is_documented(extra: Body) -> None:
    assert fingerprint(asked(OPENAI, {**ASK, **extra})) == fingerprint(asked(OPENAI, ASK))
    assert fingerprint(asked(OTHER, {**ASK, **extra})) != fingerprint(asked(OTHER, ASK))


class TestForms:
    PICTURE = ("image", "sign.png", b"\x89PNG")

    def test_an_edit_is_told_by_its_prompt_and_image(self) -> None:
        assert recognised(form({"model": "m", "prompt": "x"}, self.PICTURE)) is not None
        assert recognised(form({"model": "m", "prompt": "x"})) is None
        assert recognised(form({"model": "m"}, self.PICTURE)) is None

    def test_two_images_are_two_parts_of_one_name(self) -> None:
        pictures = [("image[]", f"{name}.png", name.encode()) for name in "ab"]

        assert recognised(form({"model": "m", "prompt": "x"}, *pictures)) is not None

    def test_a_variation_needs_no_prompt(self) -> None:
        url = "http://localhost/v1/images/variations"

        assert recognised(form({"model": "m"}, self.PICTURE, url=url)) is not None

    def test_an_edit_may_be_json(self) -> None:
        body = {**ASK, "images": [{"image_url": "data:image/png;base64,AA=="}]}

        assert recognised(asked("https://api.x.ai/v1/images/edits", body)) is not None

    def test_what_a_file_is_called_does_not_count_but_its_format_and_bytes_do(self) -> None:
        fields = {"model": "m", "prompt": "x"}
        same, other_format, other_bytes = (
            form(fields, ("image", "tmp123.PNG", b"\x89PNG")),
            form(fields, ("image", "sign.webp", b"\x89PNG")),
            form(fields, ("image", "sign.png", b"other")),
        )
        one = fingerprint(form(fields, self.PICTURE))

        assert fingerprint(same) == one
        assert len({one, fingerprint(other_format), fingerprint(other_bytes)}) == 3

    def test_how_many_and_in_which_form_do_not_count(self) -> None:
        fields = {"model": "m", "prompt": "x"}
        one = fingerprint(form(fields, self.PICTURE))

        assert fingerprint(form({**fields, "n": "4"}, self.PICTURE)) == one
        assert fingerprint(form({**fields, "stream": "true"}, self.PICTURE)) == one

    def test_the_number_is_read_and_written(self) -> None:
        request = form({"model": "m", "prompt": "x", "n": "4"}, self.PICTURE)
        dialect = recognised(request)
        members = parse_body(request).members

        assert dialect.count(members) == 4
        assert dialect.ask(request, members, 4) is request
        assert parse_body(dialect.ask(request, members, 2)).members["n"] == "2"
        assert dialect.wants_stream(request, {"stream": "true"})


def test_the_number_is_written_into_json() -> None:
    assert json.loads(DIALECT.ask(GENERATE, ASK, 3).body) == {**ASK, "n": 3}
    assert DIALECT.ask(GENERATE, ASK, 1) is GENERATE


@pytest.mark.parametrize(
    "extra", [{"stream": True}, {"model": "dall-e-3", "response_format": "b64_json"}]
)
def test_what_can_ask_for_one_image_only_is_never_made_to_ask_for_more(extra: Body) -> None:
    dialect = recognised(asked(OTHER, {**ASK, **extra}))

    assert type(dialect) is OneImage
    assert dialect.max_count == 1
    assert recognised(asked(OTHER, {**ASK, **extra, "n": 2})) is None


@given(st.lists(st.text("AB=", min_size=1), min_size=1, max_size=10), st.integers(0, 10**6))
def test_images_are_split_and_joined_to_what_they_were(pictures: list[str], tokens: int) -> None:
    usage = {**USAGE, "output_tokens": tokens, "total_tokens": 14 + tokens}
    response = answered(*pictures, usage=usage)

    parts = DIALECT.split(response)

    assert len(parts) == len(pictures)
    assert json.loads(DIALECT.join(parts).body) == json.loads(response.body)
    told = [DIALECT.usage(part)[1] for part in parts]
    assert all(own["input_tokens"] == 14 for own in told)
    assert sum(own["output_tokens"] for own in told) == tokens  # type: ignore[misc]  # numbers


def test_an_answer_without_usage_is_split_without() -> None:
    parts = DIALECT.split(answered("AA==", "BB=="))

    assert all("usage" not in json.loads(part.body) for part in parts)
    assert "usage" not in json.loads(DIALECT.join(parts).body)
    with pytest.raises(DialectError, match="nothing to join"):
        DIALECT.join([])


@pytest.mark.parametrize(
    ("url", "kind"),
    [(OTHER, "image_generation.completed"), (EDITS, "image_edit.completed")],
)
def test_a_whole_answer_is_the_last_event_of_a_stream_and_back(url: str, kind: str) -> None:
    whole = answered("AA==", usage=USAGE)

    stream = DIALECT.stream(whole, asked(url, ASK), STREAM)

    assert stream == Response(
        status=200,
        headers=(("content-type", "text/event-stream; charset=utf-8"),),
        chunks=stream.chunks,
    )
    name, data = stream.body.decode().split("\n")[:2]
    assert name == f"event: {kind}"
    assert json.loads(data.removeprefix("data: ")) == completed(kind=kind)
    assert json.loads(DIALECT.whole(stream).body) == json.loads(whole.body)
    assert DIALECT.usage(stream) == DIALECT.usage(whole) == ("", USAGE)
    assert DIALECT.stream(stream, asked(url, ASK), STREAM) is stream
    assert DIALECT.whole(whole) is whole


def test_partial_images_are_not_in_the_whole_answer() -> None:
    stream = streamed(PARTIAL, completed())

    assert json.loads(DIALECT.whole(stream).body)["data"] == [{"b64_json": "AA=="}]
    assert DIALECT.split(stream) == (stream,)


@pytest.mark.parametrize(
    "response",
    [
        answered("AA==", "BB=="),
        answered(),
    ],
)
def test_of_another_number_there_is_no_stream(response: Response) -> None:
    with pytest.raises(DialectError):
        DIALECT.stream(response, GENERATE, STREAM)


def test_of_variations_there_is_no_stream() -> None:
    variation = asked("http://localhost/v1/images/variations", ASK)

    with pytest.raises(DialectError, match="no stream"):
        DIALECT.stream(answered("AA=="), variation, STREAM)


@pytest.mark.parametrize(
    "response",
    [
        Response(status=200, chunks=(b"{}",)),
        Response(status=200, chunks=(b'{"data":[]}',)),
        Response(status=200, chunks=(b'{"data":[{"url":"https://images.test/1.png"}]}',)),
        Response(status=200, chunks=(b'{"data":[{"b64_json":""}]}',)),
        Response(status=200, chunks=(b'{"data":[{"b64_json":"AA=="}],"error":{"code":1}}',)),
        streamed(PARTIAL),
        streamed(completed(), completed()),
        streamed(completed(), {"type": "error", "error": {"message": "no"}}),
    ],
)
def test_what_is_no_complete_answer_is_not_sound(response: Response) -> None:
    assert not DIALECT.sound(response)


def test_what_is_one_is_sound() -> None:
    inline = b'{"data":[{"url":"data:image/png;base64,AA=="}]}'

    assert DIALECT.sound(answered("AA=="))
    assert DIALECT.sound(streamed(PARTIAL, completed()))
    assert DIALECT.sound(Response(status=200, chunks=(inline,)))


@given(st.data())
def test_a_stream_that_is_cut_anywhere_is_neither_sound_nor_finished(data: st.DataObject) -> None:
    body = streamed(PARTIAL, completed("A" * 5000)).body
    cut = body[: data.draw(st.integers(0, len(body) - 3))]

    assert not DIALECT.sound(Response(status=200, chunks=(cut,))) or cut == body[:-2]
    assert not DIALECT.finished(cut[-4096:])


def test_the_last_event_ends_a_stream_however_long_it_is() -> None:
    body = streamed(PARTIAL, completed("A" * 5000)).body

    assert DIALECT.finished(body[-4096:])
    assert DIALECT.finished(b"data: [DONE]\n\n")
    assert not DIALECT.finished(streamed(PARTIAL).body)
