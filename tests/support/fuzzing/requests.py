"""Requests of whoever asks: recognised or not, never an exception, and a question is one question."""

from __future__ import annotations

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.errors import DialectError
from cachesaver.estimates import estimated
from cachesaver.exchange import Request
from cachesaver.identity import Question, identify, inputs_of, questions_body

__all__ = ["ADDRESSES", "requests"]

ADDRESSES = (
    "https://api.openai.com/v1/chat/completions",
    "https://api.openai.com/v1/responses",
    "https://api.openai.com/v1/completions",
    "https://api.openai.com/v1/embeddings",
    "https://api.openai.com/v1/moderations",
    "https://api.openai.com/v1/images/generations",
    "https://api.openai.com/v1/images/edits",
    "https://api.openai.com/v1/audio/transcriptions",
    "https://api.openai.com/v1/audio/speech",
    "https://api.openai.com/v1/responses/input_tokens",
    "https://llm.test:8000/v1/chat/completions",
    "https://llm.test:8000/v1/rerank",
    "https://api.anthropic.com/v1/messages",
    "https://api.anthropic.com/v1/messages/count_tokens",
    "https://api.anthropic.com/v1/complete",
    "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent",
    "https://generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse",
    "https://generativelanguage.googleapis.com/v1beta/models/g:batchEmbedContents",
    "https://generativelanguage.googleapis.com/v1beta/models/g:countTokens",
    "https://generativelanguage.googleapis.com/v1beta/interactions",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude/converse",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude/invoke",
    "https://api.cohere.com/v2/chat",
    "https://api.cohere.com/v1/chat",
    "https://api.cohere.com/v2/embed",
    "https://api.cohere.com/v2/rerank",
    "https://api.mistral.ai/v1/fim/completions",
    "https://api.mistral.ai/v1/ocr",
    "http://127.0.0.1:11434/api/chat",
    "http://127.0.0.1:11434/api/generate",
    "http://127.0.0.1:11434/api/embed",
    "http://127.0.0.1:8080/generate",
    "http://127.0.0.1:8080/generate_stream",
    "http://127.0.0.1:8080/tokenize",
    "https://api.voyageai.com/v1/embeddings",
    "https://named.test/whatever",
)

KINDS = ("application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded")

NAMED = ("*",)


def requests(content: bytes) -> None:
    """The first byte chooses an address, the second a content type; the rest is the body."""
    if len(content) < 2:
        return
    request = Request(
        method="POST",
        url=ADDRESSES[content[0] % len(ADDRESSES)],
        headers=(("content-type", KINDS[content[1] % len(KINDS)]), ("anthropic-version", "1")),
        body=content[2:],
    )
    for hosts in ((), NAMED):
        question = asked(request, hosts)
        if question is not None:
            is_one_question(question, hosts)


def asked(request: Request, hosts: tuple[str, ...]) -> Question | None:
    body = parse_body(request)
    dialect = dialects.recognise(request, body.members, hosts=hosts)
    return None if dialect is None else identify(request, dialect, body)


def is_one_question(question: Question, hosts: tuple[str, ...]) -> None:
    """Asking for more or for fewer, or for some of its inputs, is the same question."""
    questions_body(question)
    estimated(question.body, url=question.request.url)
    assert question.count >= 1
    again = identify(question.request, question.dialect)
    assert again.fingerprint == question.fingerprint
    if question.dialect.deterministic:
        takes_apart(question, hosts)
        return
    most = question.dialect.max_count
    for count in (1, 3):
        if (most is not None and count > most) or not question.exact:
            continue
        try:
            other = question.dialect.ask(question.request, question.body, count)
        except DialectError:
            continue
        found = asked(other, hosts)
        if other is question.request or found is None:
            assert other is question.request, "no question any more by asking for another number"
            continue
        assert found.fingerprint == question.fingerprint, "another question by another number"
        assert found.count == count, "another number than was asked for"


def takes_apart(question: Question, hosts: tuple[str, ...]) -> None:
    """Every other of the inputs, asked for alone, is looked up under the names they have here."""
    inputs = inputs_of(question)
    if len(inputs) < 2:
        return
    places = range(0, len(inputs), 2)
    some = question.dialect.ask_inputs(question.request, question.body, places)
    found = asked(some, hosts)
    assert found is not None, "no question any more by asking for some of its inputs"
    names = [each.fingerprint for each in inputs_of(found)]
    assert names == [inputs[place].fingerprint for place in places], "inputs under other names"
