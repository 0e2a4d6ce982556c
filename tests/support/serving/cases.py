"""What one expects of a server that speaks as OpenAI's does, each put to it through the official SDK.

A case returns what came instead; nothing, where it was as expected. It uses no more than a few hundred
tokens of the tiny model of `serving.shapes`, which never ends a text by itself.
"""

from __future__ import annotations

import concurrent.futures
import json
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self

import openai

from serving.asking import text
from serving.servers import Running

__all__ = ["CASES", "ENCODER", "FIRST", "SMALL", "Server"]

ENCODER = "bert"
"""The folder of the model for embeddings."""

PROMPT = text(12, 1)


class Server:
    """A server that is put to the test, and the SDK that asks it, over connections of its own."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.client = openai.OpenAI(
            base_url=f"{running.url}/v1", api_key="none", max_retries=0, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(self, **fields: Any) -> Any:
        """Return what the SDK gives for a chat."""
        given: dict[str, Any] = {
            "model": self.running.model,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": 20,
            "temperature": 1.0,
        }
        create: Any = self.client.chat.completions.create
        return create(**{**given, **fields})

    def say(self, **fields: Any) -> str:
        """Return the text of the first choice."""
        return str(self.ask(**fields).choices[0].message.content)


def settings(server: Server) -> str:
    """After a request that takes the likeliest token, four that draw get four answers."""
    server.say(temperature=0)
    said = {server.say(temperature=1.5) for _ in range(4)}
    return "" if len(said) == 4 else f"{len(said)} different of 4"


def samples(server: Server) -> str:
    """`n=4` gives four choices, and they differ."""
    said = [choice.message.content for choice in server.ask(n=4).choices]
    return "" if len(set(said)) == len(said) == 4 else f"{len(said)} choice"


def logprobs(server: Server) -> str:
    """`logprobs` gives one for each token, with `top_logprobs` others."""
    told = server.ask(logprobs=True, top_logprobs=2, max_tokens=8).choices[0].logprobs
    if told is None or not told.content:
        return "none came"
    return "" if [len(each.top_logprobs) for each in told.content] == [2] * 8 else "too few came"


def schema(server: Server) -> str:
    """`response_format` with a JSON schema gives JSON of that schema."""
    wanted: Any = {"name": "s", "schema": {"enum": ["yes", "no"]}}
    said = server.say(response_format={"type": "json_schema", "json_schema": wanted})
    try:
        return "" if json.loads(said) in ("yes", "no") else "other JSON"
    except ValueError:
        return "any text, no JSON"


def tools(server: Server) -> str:
    """`tool_choice="required"` gives a call of a tool."""
    parameters: Any = {"type": "object", "properties": {}, "additionalProperties": False}
    tool: Any = {"type": "function", "function": {"name": "go", "parameters": parameters}}
    calls = (
        server.ask(tools=[tool], tool_choice="required", max_tokens=60)
        .choices[0]
        .message.tool_calls
    )
    return "" if calls and calls[0].function.name == "go" else "any text, no call"


def stop(server: Server) -> str:
    """`stop` ends the answer before its text, with `finish_reason` "stop"."""
    free = server.say(temperature=0, max_tokens=40)
    word = next((each for each in free[4:].split() if each.isascii() and each.isalnum()), free[4:6])
    choice = server.ask(temperature=0, max_tokens=40, stop=[word]).choices[0]
    if choice.finish_reason != "stop":
        return f"went on to the end, finish_reason {choice.finish_reason!r}"
    return "" if choice.message.content == free[: free.index(word)] else "left in the answer"


def seeds(server: Server) -> str:
    """A seed gives among fifteen other requests what it gives alone, and another seed something else."""
    alone = server.say(seed=77)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        crowd = [pool.submit(server.say, seed=77 if at % 4 == 0 else at) for at in range(16)]
        said = [each.result() for each in crowd]
    same = sum(said[at] == alone for at in range(0, 16, 4))
    others = {said[at] for at in range(16) if at % 4}
    if len(others) < 12:
        return f"{len(others)} different answers to 12 seeds"
    return "" if same == 4 else f"{same} of 4 the same"


def penalty(server: Server) -> str:
    """`presence_penalty` changes which tokens are the likeliest."""
    plain, again, given = (
        server.say(temperature=0, max_tokens=100, presence_penalty=by) for by in (0.0, 0.0, 2.0)
    )
    if plain != again:
        return "at `temperature` 0, two answers differ"
    return "" if plain != given else "changed nothing"


def done(server: Server) -> str:
    """A stream ends with `data: [DONE]`."""
    with server.client.chat.completions.with_streaming_response.create(
        model=server.running.model,
        messages=[{"role": "user", "content": PROMPT}],
        max_tokens=3,
        stream=True,
    ) as answer:
        lines = [line for line in answer.iter_lines() if line.strip()]
    return "" if lines[-1] == "data: [DONE]" else "it does not"


def usage(server: Server) -> str:
    """`stream_options={"include_usage": true}` gives the counts in a chunk without a choice, at the end."""
    chunks = [*server.ask(stream=True, max_tokens=3, stream_options={"include_usage": True})]
    counted = [chunk for chunk in chunks if chunk.usage]
    if not counted:
        return "no counts came"
    return (
        "" if counted[-1] is chunks[-1] and not chunks[-1].choices else "in the last choice's chunk"
    )


def wrong_value(server: Server) -> str:
    """A value that is none (`temperature="hot"`) is a 400 that names the field."""
    return _refused(server, 400, "temperature", temperature="hot")


def unsupported(server: Server) -> str:
    """What is not supported (`prediction`) is refused, and the field named."""
    prediction = {"type": "content", "content": "x"}
    return _refused(server, 400, "prediction", extra_body={"prediction": prediction})


def unknown_model(server: Server) -> str:
    """Another model is a 404 in OpenAI's shape, `model_not_found`."""
    return _refused(server, 404, "model", model="other")


def _refused(server: Server, status: int, param: str, **fields: Any) -> str:
    try:
        server.ask(**fields)
    except openai.APIStatusError as error:
        if error.status_code == status and error.param == param:
            return ""
        shape = "" if error.type else ", not in OpenAI's shape"
        return f"status {error.status_code}{shape}"
    return "answered as if it were not there"


def embeddings(server: Server) -> str:
    """There are embeddings."""
    try:
        told = server.client.embeddings.create(model=ENCODER, input=["a", "b"])
    except openai.NotFoundError:
        return "404"
    return "" if [len(each.embedding) for each in told.data] == [16, 16] else "of another length"


def leaving(server: Server) -> str:
    """When the client of an answer that is not streamed leaves, its work ends within half a second."""
    try:
        server.client.with_options(timeout=0.3).chat.completions.create(
            model=server.running.model,
            messages=[{"role": "user", "content": PROMPT}],
            max_tokens=1900,
        )
    except openai.APITimeoutError:
        time.sleep(0.5)
    before = server.running.used
    time.sleep(2)
    busy = server.running.used - before
    return "" if busy < 0.2 else f"busy for {busy:.1f} of the next 2 s"


def together(server: Server) -> str:
    """Sixteen requests at once take less than half the processor time of sixteen in turn."""

    def one(at: int) -> str:
        return server.say(messages=[{"role": "user", "content": text(40, at)}], max_tokens=60)

    def used(ask: Callable[[], object]) -> float:
        before = server.running.used
        ask()
        return server.running.used - before

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        used(lambda: [one(100)])
        in_turn = used(lambda: [one(at) for at in range(16)])
        at_once = used(lambda: [*pool.map(one, range(200, 216))])
    return "" if at_once < in_turn / 2 else f"{in_turn / at_once:.1f}x less"


def too_long(server: Server) -> str:
    """A prompt that is longer than the model's context is a 400, and the next request is answered."""
    return _overlong(server, 3000)


def too_large(server: Server) -> str:
    """A prompt that is larger than the cache, which has room for 1,024 tokens, is a 400, as above."""
    return _overlong(server, 1500)


def _overlong(server: Server, tokens: int) -> str:
    told = ""
    try:
        server.say(messages=[{"role": "user", "content": text(tokens, 1)}], max_tokens=4)
        told = "answered as if there were room"
    except openai.BadRequestError as error:
        told = "" if error.param else "a 400, not in OpenAI's shape"
    except openai.APIStatusError as error:
        told = f"status {error.status_code}"
    except openai.APIConnectionError as error:
        told = f"{type(error).__name__}"
    try:
        with Server(server.running) as another:
            another.say()
    except openai.OpenAIError as error:
        after = getattr(error, "status_code", type(error).__name__)
        told = (
            f"{told or 'refused'}; the next request got {after}, `/health` {server.running.health}"
        )
    return told


FIRST: Mapping[str, Callable[[Server], str]] = MappingProxyType({"settings of others": settings})
"""What must be the first thing that a server hears."""

CASES: Mapping[str, Callable[[Server], str]] = MappingProxyType(
    {
        "`n`": samples,
        "`logprobs`": logprobs,
        "`response_format`": schema,
        "`tool_choice`": tools,
        "`stop`": stop,
        "`presence_penalty`": penalty,
        "`seed`, many at once": seeds,
        "the end of a stream": done,
        "counts of a stream": usage,
        "a wrong value": wrong_value,
        "what is not supported": unsupported,
        "another model": unknown_model,
        "embeddings": embeddings,
        "a client that leaves": leaving,
        "sixteen at once": together,
        "a prompt too long": too_long,
    }
)

SMALL: Mapping[str, Callable[[Server], str]] = MappingProxyType(
    {"a prompt larger than the cache": too_large}
)
"""For a server whose cache has room for 1,024 tokens; it may not survive it."""
