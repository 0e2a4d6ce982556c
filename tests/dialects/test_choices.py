"""Answers of the two completion APIs: sound or not, split and joined, streamed and whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.openai_chat import CompatibleChat, OpenAIChat
from cachesaver.dialects.openai_completions import CompatibleCompletions
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

Object = dict[str, Any]
Drawn = st.SearchStrategy[Any]

CHAT = CompatibleChat()
COMPLETIONS = CompatibleCompletions()
ASK = Request(method="POST", url="https://api.test/v1/chat/completions")
NONE: list[object] = []
USAGE = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17}
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1"}
CHUNK = {**HEAD, "object": "chat.completion.chunk"}
STREAMED = {"stream": True}
COUNTED = {"stream": True, "stream_options": {"include_usage": True}}


def json_body(body: object, *headers: tuple[str, str]) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json"), *headers),
        chunks=(json.dumps(body).encode(),),
    )


def sse(*data: object) -> Response:
    lines = [d if isinstance(d, str) else json.dumps(d) for d in data]
    body = "".join(f"data: {line}\n\n" for line in lines).encode()
    return Response(status=200, headers=(("content-type", "text/event-stream"),), chunks=(body,))


def read(response: Response) -> Any:
    return json.loads(response.body)


def read_events(response: Response) -> list[Any]:
    texts = [chunk.decode().removeprefix("data: ").strip() for chunk in response.chunks]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def choice(index: int = 0, content: str | None = "hi", **extra: object) -> Object:
    message = {"role": "assistant", "content": content, "refusal": None}
    return {"index": index, "message": message, "finish_reason": "stop", **extra}


def answer(*choices: Object, **extra: object) -> Object:
    return {**HEAD, "choices": list(choices or [choice()]), **extra}


def piece(delta: Object, index: int = 0, finish: str | None = None, **extra: object) -> Object:
    return {
        **CHUNK,
        "choices": [{"index": index, "delta": delta, "finish_reason": finish, **extra}],
    }


END = piece({}, finish="stop")


class TestSound:
    @pytest.mark.parametrize(
        "response",
        [
            json_body(answer()),
            json_body(answer(choice(content=None))),
            json_body({**answer(), "error": None}),
            Response(status=200, chunks=(b"\n\n  " + json.dumps(answer()).encode(),)),
            sse(piece({"content": "x"}), END, "[DONE]"),
            # Azure: a first chunk without choices, its fields empty.
            sse({"choices": [], "id": "", "prompt_filter_results": []}, END, "[DONE]"),
            # No [DONE] at all, but every choice has its finish reason.
            sse(piece({"content": "x"}), END),
            # [DONE], but no finish reason.
            sse(piece({"content": "x"}), "[DONE]"),
            # What cannot be merged is an answer all the same.
            sse(
                piece({"tool_calls": [{"index": 0, "id": "a"}]}),
                piece({"tool_calls": [{"index": 0, "id": "b"}]}),
                END,
                "[DONE]",
            ),
        ],
    )
    def test_an_answer_is(self, response: Response) -> None:
        assert CHAT.sound(response)

    @pytest.mark.parametrize(
        "response",
        [
            Response(status=200),
            json_body([]),
            json_body({}),
            json_body({"error": {"message": "overloaded"}}),
            json_body({**answer(), "error": {"code": 502}}),
            json_body({"request_id": "deferred"}),
            json_body({**answer(), "choices": NONE}),
            json_body(answer() | {"choices": [1]}),
            json_body(answer({"index": 0, "finish_reason": "stop"})),
            json_body(answer(choice(error={"code": 502}))),
            json_body(answer({**choice(), "finish_reason": "error"})),
            Response(status=200, chunks=(b'{"choices": [{"mess',)),
            sse(piece({"content": "x"})),
            sse(piece({"content": "x"}), END, piece({"content": "y"}, index=1)),
            sse(piece({"content": "x"}), {"error": {"message": "x"}}, "[DONE]"),
            sse(piece({"content": "x"}, error={"code": 1}), END, "[DONE]"),
            sse(piece({"content": "x"}, finish="error"), "[DONE]"),
            sse("[DONE]"),
            sse({"choices": []}, "[DONE]"),
            sse("{", "[DONE]"),
            Response(
                status=200,
                chunks=(b'data: {"choices":[]}\n\nevent: error\ndata: {"message":"no"}\n\n',),
            ),
            Response(status=200, chunks=(sse(END).body[:-20],)),
            sse({"choices": [{"index": -1}]}, "[DONE]"),
            sse({"choices": "x"}, "[DONE]"),
        ],
    )
    def test_anything_else_is_not(self, response: Response) -> None:
        assert not CHAT.sound(response)

    @pytest.mark.parametrize("cut", range(len(sse(piece({"content": "x"}), END).body) - 4))
    def test_no_cut_stream_is_an_answer(self, cut: int) -> None:
        """Given a stream that ends anywhere before its last event is whole, then it is no answer."""
        whole = sse(piece({"content": "x"}), END).body

        assert not CHAT.sound(Response(status=200, chunks=(whole[:cut],)))

    def test_a_stream_has_ended_with_done(self) -> None:
        assert CHAT.finished(sse(END, "[DONE]").body)
        assert not CHAT.finished(sse(END).body)

    def test_a_choice_that_breaks_off_beside_one_that_ends_is_not(self) -> None:
        """Given two choices, when one of them never ends, then a `[DONE]` does not make it whole."""
        both = sse(
            piece({"content": "a"}), piece({"content": "hal"}, 1), piece({}, 0, "stop"), "[DONE]"
        )
        ended = sse(piece({"content": "a"}), piece({"content": "b"}, 1), "[DONE]")

        assert not CHAT.sound(both)
        assert CHAT.sound(ended)  # some never tell why they end


class TestSplitAndJoin:
    def test_one_choice_is_the_response_itself(self) -> None:
        whole = json_body(answer())
        stream = sse(piece({"content": "x"}), END, "[DONE]")

        assert CHAT.split(whole) == (whole,)
        assert CHAT.split(stream) == (stream,)
        assert CHAT.join([whole]) is whole

    def test_each_sample_is_the_response_to_a_request_for_one(self) -> None:
        shared = {"system_fingerprint": "fp", "service_tier": "default", "provider": "p"}
        response = json_body(
            answer(choice(0, "a"), choice(1, "b"), usage=USAGE, **shared), ("x-request-id", "r")
        )

        one, other = map(read, CHAT.split(response))

        assert one == answer(
            choice(0, "a"),
            usage={"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
            **shared,
        )
        assert other == {
            **answer(
                choice(0, "b"),
                usage={"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
                **shared,
            ),
            "id": "chatcmpl-1-1",
        }
        assert CHAT.split(response)[1].header("x-request-id") == "r"

    def test_no_two_samples_look_like_one_message_and_the_first_keeps_its_id(self) -> None:
        response = json_body(answer(choice(0, "a"), choice(1, "b"), choice(2, "c")))

        samples = CHAT.split(response)

        ids = [read(sample)["id"] for sample in samples]
        assert ids == ["chatcmpl-1", "chatcmpl-1-1", "chatcmpl-1-2"]
        assert read(CHAT.join(samples)) == read(response)

    def test_choices_out_of_order_are_put_in_order(self) -> None:
        samples = CHAT.split(json_body(answer(choice(1, "b"), choice(0, "a"))))

        assert [read(s)["choices"][0]["message"]["content"] for s in samples] == ["a", "b"]

    def test_choices_without_proper_indices_keep_their_order(self) -> None:
        samples = CHAT.split(json_body(answer(choice(7, "b"), choice(7, "a"))))

        assert [read(s)["choices"][0]["message"]["content"] for s in samples] == ["b", "a"]

    def test_a_stream_of_several_is_split_into_wholes(self) -> None:
        """Given two choices whose chunks interleave, when split, then each has its own text."""
        stream = sse(
            piece({"role": "assistant", "content": ""}, 0),
            piece({"role": "assistant", "content": ""}, 1),
            piece({"content": "a"}, 1),
            piece({"content": "b"}, 0),
            piece({"content": "c"}, 1),
            piece({}, 1, "stop"),
            piece({}, 0, "length"),
            {**CHUNK, "choices": [], "usage": USAGE},
            "[DONE]",
        )

        samples = [read(sample) for sample in CHAT.split(stream)]

        assert [s["choices"][0]["message"]["content"] for s in samples] == ["b", "ac"]
        assert [s["choices"][0]["finish_reason"] for s in samples] == ["length", "stop"]
        assert [s["choices"][0]["index"] for s in samples] == [0, 0]
        assert sum(s["usage"]["completion_tokens"] for s in samples) == 7

    def test_samples_of_either_form_join(self) -> None:
        joined = CHAT.join(
            [
                json_body(answer(choice(0, "a"), usage=USAGE)),
                sse(piece({"content": "b"}), piece({}, finish="stop", usage=None), "[DONE]"),
            ]
        )

        texts = [c["message"]["content"] for c in read(joined)["choices"]]
        assert texts == ["a", "b"]
        assert [c["index"] for c in read(joined)["choices"]] == [0, 1]
        assert "usage" not in read(joined)  # of the second it is not known

    @pytest.mark.parametrize(
        "responses",
        [
            [],
            [json_body(answer()), json_body({"error": {}})],
            [json_body(answer()), json_body({"error": {"x": 1}})],
            [json_body(answer()), Response(status=200, chunks=(b"[",))],
        ],
    )
    def test_what_is_no_answer_does_not_join(self, responses: list[Response]) -> None:
        with pytest.raises(DialectError, match=r"openai\.chat"):
            CHAT.join(responses)


class TestWhole:
    def test_a_whole_answer_is_whole(self) -> None:
        response = json_body(answer())

        assert CHAT.whole(response) is response

    def test_a_stream_of_tool_calls(self) -> None:
        stream = sse(
            piece(
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "f", "arguments": ""},
                        }
                    ],
                    "refusal": None,
                },
                logprobs=None,
                obfuscation="xx",
            )
            | {"obfuscation": "abc", "system_fingerprint": None, "service_tier": "default"},
            piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
            piece({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            piece({}, finish="tool_calls") | {"system_fingerprint": "fp", "usage": None},
            {**CHUNK, "choices": [], "usage": USAGE, "obfuscation": "q"},
            "[DONE]",
        )

        assert read(CHAT.whole(stream)) == {
            **HEAD,
            "service_tier": "default",
            "system_fingerprint": "fp",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "refusal": None,
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {"name": "f", "arguments": '{"a":1}'},
                            }
                        ],
                    },
                    "finish_reason": "tool_calls",
                    "logprobs": None,
                    "obfuscation": "xx",
                }
            ],
            "usage": USAGE,
        }

    def test_reasoning_logprobs_filters_and_strangers_are_carried_over(self) -> None:
        stream = sse(
            {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"a": 1}]},
            piece(
                {"reasoning_content": "th"}, content_filter_results={"hate": {"filtered": False}}
            ),
            piece(
                {"reasoning_content": "ink"}, content_filter_results={"self": {"filtered": True}}
            ),
            piece({"content": "a"}, logprobs={"content": [{"token": "a"}], "refusal": None}),
            piece({"content": "b"}, logprobs={"content": [{"token": "b"}], "refusal": None}),
            piece({"annotations": [{"u": 1}]}, token_ids=[1]),
            piece({"annotations": [{"u": 2}]}, token_ids=[2], finish="stop", stop_reason=7)
            | {"x_groq": {"id": "r"}, "citations": ["c"]},
            {"choices": [], "x_groq": {"usage": USAGE}, "citations": None},
            "[DONE]",
        )

        whole = read(CHAT.whole(stream))

        assert whole["id"] == "chatcmpl-1"
        assert whole["prompt_filter_results"] == [{"a": 1}]
        assert whole["citations"] == ["c"]
        assert whole["x_groq"] == {"id": "r"}
        assert whole["usage"] == USAGE
        assert whole["choices"] == [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "ab",
                    "reasoning_content": "think",
                    "annotations": [{"u": 1}, {"u": 2}],
                },
                "finish_reason": "stop",
                "content_filter_results": {
                    "hate": {"filtered": False},
                    "self": {"filtered": True},
                },
                "logprobs": {"content": [{"token": "a"}, {"token": "b"}], "refusal": None},
                "token_ids": [1, 2],
                "stop_reason": 7,
            }
        ]

    def test_usage_that_was_not_asked_for_is_not_invented(self) -> None:
        assert "usage" not in read(CHAT.whole(sse(piece({"content": "x"}), END, "[DONE]")))

    @pytest.mark.parametrize(
        "stream",
        [
            sse(piece({"content": "x"}), {"error": {"message": "x"}}),
            sse(piece({"content": "x"}), piece({"content": ["y"]})),
            sse(piece({"content": "x"}, odd=[1]), piece({"content": "x"}, odd=[2])),
            sse({**CHUNK, "choices": [{"index": 0, "delta": "x"}]}),
            sse({**CHUNK, "choices": {"index": 0}}),
            sse(piece({"content": "x"}, index=10**9)),
            sse(
                piece({"content": "x"}, logprobs={"content": [1]}),
                piece({}, logprobs={"content": 1}),
            ),
            sse("not json"),
        ],
    )
    def test_what_cannot_be_put_together_faithfully_is_refused(self, stream: Response) -> None:
        with pytest.raises(DialectError, match=r"openai\.chat"):
            CHAT.whole(stream)

    def test_pieces_that_are_alike_are_pieces_all_the_same(self) -> None:
        call = {
            "index": 0,
            "id": "a",
            "type": "function",
            "function": {"name": "f", "arguments": "1"},
        }
        thought = {"index": 0, "type": "reasoning.text", "text": "ha"}
        pieces = [
            piece({"role": "assistant", "tool_calls": [call], "reasoning_details": [thought]}),
            piece({"tool_calls": [call], "reasoning_details": [thought]}),
            piece({}, 0, "tool_calls"),
        ]

        message = read(CHAT.whole(sse(*pieces, "[DONE]")))["choices"][0]["message"]

        assert message["tool_calls"][0]["function"]["arguments"] == "11"
        assert message["reasoning_details"][0]["text"] == "haha"

    def test_sound_in_padded_pieces_is_not_put_together(self) -> None:
        pieces = [piece({"audio": {"id": "a", "data": data}}) for data in ("YWJjZA==", "ZWZnaA==")]
        stream = sse(*pieces, piece({}, 0, "stop"), "[DONE]")

        assert CHAT.sound(stream)
        with pytest.raises(DialectError, match="sound is told in pieces"):
            CHAT.whole(stream)


class TestStream:
    def test_an_answer_is_streamed_as_openai_does(self) -> None:
        response = json_body(
            answer(
                choice(0, "hi", logprobs={"content": [{"token": "hi"}], "refusal": None}),
                usage=USAGE,
                service_tier="default",
            ),
            ("x-request-id", "r"),
        )

        stream = CHAT.stream(response, ASK, COUNTED)

        chunk = {**CHUNK, "service_tier": "default"}
        common = {"index": 0, "finish_reason": None, "logprobs": None}
        first = {"role": "assistant", "content": "", "refusal": None}
        assert read_events(stream) == [
            {**chunk, "choices": [{**common, "delta": first}], "usage": None},
            {
                **chunk,
                "choices": [
                    {
                        **common,
                        "delta": {"content": "hi"},
                        "logprobs": {"content": [{"token": "hi"}], "refusal": None},
                    }
                ],
                "usage": None,
            },
            {
                **chunk,
                "choices": [{**common, "delta": {}, "finish_reason": "stop"}],
                "usage": None,
            },
            {**chunk, "choices": [], "usage": USAGE},
            "[DONE]",
        ]
        assert stream.header("x-request-id") == "r"
        assert stream.content_type == "text/event-stream"
        assert CHAT.streamed(stream)
        assert CHAT.finished(stream.body)
        assert CHAT.sound(stream)

    @pytest.mark.parametrize(
        "body", [STREAMED, {**STREAMED, "stream_options": None}, {**STREAMED, "stream_options": {}}]
    )
    def test_usage_is_told_only_to_who_asks(self, body: Object) -> None:
        events = read_events(CHAT.stream(json_body(answer(usage=USAGE)), ASK, body))

        assert not any("usage" in event for event in events)

    def test_an_error_is_not_streamed(self) -> None:
        with pytest.raises(DialectError, match="error"):
            CHAT.stream(json_body({"error": {"message": "x"}}), ASK, STREAMED)

    @pytest.mark.parametrize(
        "message", [None, [], {"tool_calls": [1]}, {"tool_calls": {"a": 1}}, {"tool_calls": "x"}]
    )
    def test_nor_is_a_message_of_another_form(self, message: object) -> None:
        with pytest.raises(DialectError, match=r"openai\.chat"):
            CHAT.stream(json_body(answer({"index": 0, "message": message})), ASK, STREAMED)


class TestFits:
    def test_form_decides(self) -> None:
        whole, stream = json_body(answer()), sse(END, "[DONE]")

        assert CHAT.fits(whole, ASK, {})
        assert CHAT.fits(stream, ASK, STREAMED)
        assert not CHAT.fits(whole, ASK, STREAMED)
        assert not CHAT.fits(stream, ASK, {})

    def test_openai_streams_no_usage_to_who_did_not_ask(self) -> None:
        """Given a stream with a usage chunk, when replayed to another, then it has lost it.

        Its empty `choices` break callers who read `choices[0]` and never asked for it.
        """
        chunks = [piece({"content": "x"}) | {"usage": None}, END | {"usage": None}]
        stream = sse(*chunks, {**CHUNK, "choices": [], "usage": USAGE}, "[DONE]")
        openai = OpenAIChat()

        fitted = openai.stream(stream, ASK, STREAMED)

        assert not openai.fits(stream, ASK, STREAMED)
        assert openai.fits(stream, ASK, COUNTED)
        assert openai.stream(stream, ASK, COUNTED) is stream
        assert read_events(fitted) == [piece({"content": "x"}), END, "[DONE]"]
        assert openai.fits(fitted, ASK, STREAMED)

    def test_others_may_send_it_unasked_so_it_stays(self) -> None:
        stream = sse(END, {**CHUNK, "choices": [], "usage": USAGE}, "[DONE]")

        assert CHAT.fits(stream, ASK, STREAMED)
        assert CHAT.stream(stream, ASK, STREAMED) is stream

    def test_a_stream_that_is_none_stays_as_it_is(self) -> None:
        broken = sse({"choices": []}, "{")

        assert OpenAIChat().fits(broken, ASK, STREAMED)


class TestUsage:
    def test_of_a_whole_answer(self) -> None:
        assert CHAT.usage(json_body(answer(usage=USAGE))) == ("m-1", USAGE)
        assert CHAT.usage(json_body(answer())) == ("m-1", {})
        assert CHAT.usage(json_body({"model": 7})) == ("", {})

    def test_of_a_stream_it_is_the_last_one(self) -> None:
        stream = sse(
            {**CHUNK, "model": "", "choices": [], "usage": {"prompt_tokens": 1}},
            END,
            {**CHUNK, "choices": [], "usage": USAGE},
            "[DONE]",
        )

        assert CHAT.usage(stream) == ("m-1", USAGE)
        assert CHAT.usage(sse(END, "[DONE]")) == ("m-1", {})

    def test_of_groq(self) -> None:
        assert CHAT.usage(sse({**END, "x_groq": {"usage": USAGE}}))[1] == USAGE

    def test_of_what_cannot_be_merged(self) -> None:
        stream = sse(piece({"content": 1}), piece({"content": []}), {"choices": [], "usage": USAGE})

        assert CHAT.usage(stream)[1] == USAGE

    def test_of_what_is_none(self) -> None:
        with pytest.raises(DialectError):
            CHAT.usage(Response(status=200, chunks=(b"<html>",)))


def numbered(choices: list[Object]) -> list[Object]:
    return [{"index": index, **each} for index, each in enumerate(choices)]


TEXT: Drawn = st.text(max_size=12)
SCALARS: Drawn = st.none() | st.booleans() | st.integers(0, 2**53) | TEXT
CALLS: Drawn = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=5),
            "type": st.sampled_from(["function", "custom"]),
            "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT}),
        },
        optional={"extra_content": st.dictionaries(TEXT, SCALARS)},
    ),
    min_size=1,
    max_size=3,
)
MESSAGES: Drawn = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | TEXT},
    optional={
        "refusal": st.none() | TEXT,
        "tool_calls": st.none() | CALLS,
        "annotations": st.lists(st.dictionaries(TEXT, SCALARS), max_size=2),
        "audio": st.none() | st.fixed_dictionaries({"id": TEXT, "data": TEXT}),
        "reasoning_content": st.none() | TEXT,
        "reasoning": TEXT,
        "reasoning_details": st.lists(
            st.fixed_dictionaries({"type": TEXT, "text": TEXT}), max_size=2
        ),
        "function_call": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT}),
        "unheard_of": SCALARS,
    },
)
LOGPROBS: Drawn = st.fixed_dictionaries(
    {"content": st.none() | st.lists(st.dictionaries(TEXT, SCALARS), max_size=2)},
    optional={"refusal": st.none()},
)
CHOICE: Drawn = st.fixed_dictionaries(
    {"message": MESSAGES, "finish_reason": st.sampled_from(["stop", "length", "tool_calls"])},
    optional={
        "logprobs": st.none() | LOGPROBS,
        "content_filter_results": st.dictionaries(TEXT, SCALARS),
        "stop_reason": SCALARS,
    },
)
CHOICES: Drawn = st.lists(CHOICE, min_size=1, max_size=4).map(numbered)
COUNTS = st.integers(0, 10**6)
ANSWERS: Drawn = st.fixed_dictionaries(
    {
        "id": TEXT,
        "object": st.just("chat.completion"),
        "created": COUNTS,
        "model": TEXT,
        "choices": CHOICES,
    },
    optional={
        "usage": st.fixed_dictionaries(
            {"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS},
            optional={"completion_tokens_details": st.dictionaries(TEXT, COUNTS)},
        ),
        "system_fingerprint": st.none() | TEXT,
        "service_tier": st.none() | TEXT,
        "citations": st.lists(TEXT),
        "provider": TEXT,
    },
)


@given(ANSWERS)
def test_joining_undoes_splitting(whole: Object) -> None:
    samples = CHAT.split(json_body(whole))

    assert len(samples) == len(whole["choices"])
    assert read(CHAT.join(samples)) == whole
    assert all(CHAT.split(sample) == (sample,) for sample in samples)


@given(ANSWERS)
def test_an_answer_survives_being_streamed(whole: Object) -> None:
    stream = CHAT.stream(json_body(whole), ASK, COUNTED)

    assert read(CHAT.whole(stream)) == whole
    assert CHAT.stream(CHAT.whole(stream), ASK, COUNTED) == stream
    assert CHAT.finished(stream.body[-4096:])
    assert CHAT.sound(stream)
    assert CHAT.usage(stream) == CHAT.usage(json_body(whole))


@given(ANSWERS, st.lists(st.integers(1, 30), max_size=30))
def test_where_the_network_cuts_a_stream_does_not_matter(whole: Object, cuts: list[int]) -> None:
    stream = CHAT.stream(json_body(whole), ASK, COUNTED)
    body, chunks = stream.body, list[bytes]()
    for cut in cuts:
        chunks.append(body[:cut])
        body = body[cut:]

    cut_up = Response(status=200, headers=stream.headers, chunks=(*chunks, body))

    assert read(CHAT.whole(cut_up)) == whole


@given(ANSWERS)
def test_completions_join_and_stream_too(whole: Object) -> None:
    texts = [
        {"index": c["index"], "text": str(c["message"]["content"]), "finish_reason": "stop"}
        | {"logprobs": {"tokens": ["a"], "text_offset": [0]}}
        for c in whole["choices"]
    ]
    answered = {**whole, "object": "text_completion", "choices": texts}

    joined = COMPLETIONS.join(COMPLETIONS.split(json_body(answered)))
    stream = COMPLETIONS.stream(json_body(answered), ASK, COUNTED)

    assert read(joined) == answered
    assert read(COMPLETIONS.whole(stream)) == answered
