from __future__ import annotations

import math

import local_words
from cachesaver.local.app.reports import chat_report, legacy_report, merged
from cachesaver.local.streams import Token

TONGUE = local_words.tongue()

TOKENS = [
    (Token(65, -0.5, ((66, -0.1), (65, -0.5))), 0),
    (Token(local_words.MARK, -math.inf, ()), 1),
]


def test_a_report_of_chat() -> None:
    first, second = chat_report(TONGUE, TOKENS)

    assert first == {
        "token": "A",
        "logprob": -0.5,
        "bytes": [65],
        "top_logprobs": [
            {"token": "B", "logprob": -0.1, "bytes": [66]},
            {"token": "A", "logprob": -0.5, "bytes": [65]},
        ],
    }
    assert (second["token"], second["logprob"]) == ("[TOOL_CALLS]", -9999.0)


def test_a_report_of_completions() -> None:
    assert legacy_report(TONGUE, TOKENS, offset=10) == {
        "tokens": ["A", "[TOOL_CALLS]"],
        "token_logprobs": [-0.5, -9999.0],
        "top_logprobs": [{"B": -0.1, "A": -0.5}, {}],
        "text_offset": [10, 11],
    }


def test_bytes_that_are_no_text_are_told_as_such() -> None:
    class Half:
        def spell(self, token: int) -> bytes:
            return b"\xe2\x82"

    (token,) = legacy_report(Half(), TOKENS[:1])["tokens"]  # type: ignore[arg-type]
    (told,) = chat_report(Half(), TOKENS[1:])  # type: ignore[arg-type]

    assert token == "bytes:\\xe2\\x82"
    assert (told["token"], told["bytes"]) == ("\ufffd", [0xE2, 0x82])


def test_reports_follow_each_other() -> None:
    whole = legacy_report(TONGUE, TOKENS)

    assert merged([legacy_report(TONGUE, [each]) for each in TOKENS]) == whole
