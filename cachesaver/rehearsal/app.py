"""The rehearsal as an ASGI application: routing, faults, pacing. What is said comes from elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cachesaver.multipart import read_parts
from cachesaver.rehearsal import (
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    cohere,
    cohere_embed,
    cohere_v1,
    gemini,
    mistral,
    ollama,
    openai_chat,
    openai_legacy,
    plain,
    rerank,
    tgi,
)
from cachesaver.rehearsal.anthropic_complete import CompleteApi
from cachesaver.rehearsal.books import (
    Books,
    Received,
    Tally,
    shown_body,
    shown_headers,
    shown_query,
)
from cachesaver.rehearsal.faults import HEADER, Fault, Faults
from cachesaver.rehearsal.gemini_embed import BatchEmbedApi, EmbedApi
from cachesaver.rehearsal.gemini_interactions import InteractionsApi
from cachesaver.rehearsal.latency import Latency
from cachesaver.rehearsal.models import models_answer
from cachesaver.rehearsal.openai_audio import SpeechApi, TranscriptionsApi, TranslationsApi
from cachesaver.rehearsal.openai_images import ImageEditsApi, ImagesApi, ImageVariationsApi
from cachesaver.rehearsal.openai_moderations import ModerationsApi
from cachesaver.rehearsal.openai_responses import InputTokensApi, ResponsesApi
from cachesaver.rehearsal.openrouter import OpenRouterApi
from cachesaver.rehearsal.reading import mapped
from cachesaver.rehearsal.stage import Stage
from cachesaver.rehearsal.values import (
    Api,
    Ask,
    Frame,
    NamesErrors,
    RejectedError,
    Take,
    digest,
)

__all__ = ["Theatre", "find_api"]

_ROUTES: tuple[tuple[str, str, Api], ...] = (
    # Matched against the end of the path: any prefix in front is a gateway's or a deployment's.
    (r"/openrouter/.*/chat/completions", "openai.chat", OpenRouterApi(tells_usage=True)),
    (
        r"/(?:mistral|deepseek)/.*/chat/completions",
        "openai.chat",
        openai_chat.ChatApi(tells_usage=True),
    ),
    (r"/chat/completions", "openai.chat", openai_chat.ChatApi()),
    (r"/responses", "openai.responses", ResponsesApi()),
    (r"/fim/completions", "mistral.fim", mistral.FimApi(tells_usage=True)),
    (r"/agents/completions", "mistral.agents", mistral.AgentsApi(tells_usage=True)),
    (r"/ocr", "mistral.ocr", mistral.OcrApi()),
    (r"/completions", "openai.completions", openai_legacy.CompletionsApi()),
    (r"/api/embeddings", "ollama.embeddings", ollama.EmbeddingsApi()),
    (r"/embeddings", "openai.embeddings", openai_legacy.EmbeddingsApi()),
    (r"/responses/input_tokens", "openai.input_tokens", InputTokensApi()),
    (r"/moderations", "openai.moderations", ModerationsApi()),
    (r"/images/generations", "openai.images", ImagesApi()),
    (r"/images/edits", "openai.images.edits", ImageEditsApi()),
    (r"/images/variations", "openai.images.variations", ImageVariationsApi()),
    (r"/audio/transcriptions", "openai.transcriptions", TranscriptionsApi()),
    (r"/audio/translations", "openai.translations", TranslationsApi()),
    (r"/audio/speech", "openai.speech", SpeechApi()),
    (r"/messages/count_tokens", "anthropic.count_tokens", anthropic_messages.CountTokensApi()),
    (r"/complete", "anthropic.complete", CompleteApi()),
    (r"/messages", "anthropic.messages", anthropic_messages.MessagesApi()),
    (r"/models/[^/:]+:generateContent", "gemini.generate", gemini.GenerateApi()),
    (r"/models/[^/:]+:streamGenerateContent", "gemini.generate", gemini.ArrayStreamApi()),
    (r"/models/[^/:]+:countTokens", "gemini.count_tokens", gemini.CountApi()),
    (r"/models/[^/:]+:embedContent", "gemini.embed", EmbedApi()),
    (r"/models/[^/:]+:batchEmbedContents", "gemini.embed", BatchEmbedApi()),
    (r"/interactions", "gemini.interactions", InteractionsApi()),
    (r"/model/.+/converse(?:-stream)?", "bedrock.converse", bedrock_converse.ConverseApi()),
    (r"/model/.+/invoke(?:-with-response-stream)?", "bedrock.invoke", bedrock_invoke.InvokeApi()),
    (r"/model/.+/count-tokens", "bedrock.count_tokens", bedrock_converse.CountTokensApi()),
    (r"/v2/chat", "cohere.chat", cohere.ChatApi()),
    (r"/v1/chat", "cohere.chat_v1", cohere_v1.ChatV1Api()),
    (r"/v[12]/embed", "cohere.embed", cohere_embed.EmbedApi()),
    (r"/v1/tokenize", "cohere.tokenize", cohere_embed.TokenizeApi()),
    (r"/v1/detokenize", "cohere.detokenize", cohere_embed.DetokenizeApi()),
    (r"/rerank", "rerank", rerank.RerankApi()),
    (r"/api/chat", "ollama.chat", ollama.OllamaChatApi()),
    (r"/api/generate", "ollama.generate", ollama.OllamaGenerateApi()),
    (r"/api/embed", "ollama.embed", ollama.EmbedApi()),
    (r"/generate(?:_stream)?", "tgi.generate", tgi.TgiApi()),
    (r"^/", "tgi.generate", tgi.TgiCompatibleApi()),
    (r"/query", "plain.query", plain.QueryApi()),
    (r"/orders", "orders", plain.OrdersApi()),
)
_SSE_API = gemini.StreamApi()

_SAMPLES = "x-rehearsal-samples"
"""Header of an answer that names the samples in it."""


def find_api(path: str, query: Mapping[str, str]) -> tuple[str, Api] | None:
    """Return name and API of the endpoint at *path*; None where there is none."""
    for pattern, name, api in _ROUTES:
        if re.search(pattern + "$", path):
            sse = isinstance(api, gemini.ArrayStreamApi) and query.get("alt") == "sse"
            return name, _SSE_API if sse else api
    return None


class _CutError(Exception):
    """Leaves the application in the middle of a body, so that the server breaks the connection."""


@dataclass(slots=True, kw_only=True)
class Theatre:
    """All state of one rehearsal, and the handlers that work on it, on one event loop.

    Attributes:
        require_key: None: anyone may call; empty: with any key; else with this one.
        models: The only ones there are; empty where any name will do.
    """

    stage: Stage
    latency: Latency = field(default_factory=Latency)
    faults: Faults = field(default_factory=Faults)
    books: Books = field(default_factory=Books)
    require_key: str | None = None
    models: tuple[str, ...] = ()

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/rehearsal/calls", self._calls),
                Route("/rehearsal/reset", self._reset, methods=["POST"]),
                Route("/rehearsal/faults", self._plan, methods=["POST"]),
                Route("/{path:path}", self._answer, methods=["GET", "POST"]),
            ]
        )

    def reset(self) -> None:
        """Forget what was asked, what was counted and what was to go wrong."""
        self.stage.reset()
        self.faults.reset()
        self.books.reset()

    async def _calls(self, _: Request) -> Response:
        return JSONResponse(self.books.calls().to_json())

    async def _reset(self, _: Request) -> Response:
        self.reset()
        return JSONResponse({})

    async def _plan(self, request: Request) -> Response:
        planned = mapped(await _json(request))
        try:
            self.faults.plan(str(planned.get("fault")), endpoint=str(planned.get("endpoint") or ""))
        except RejectedError as error:
            return JSONResponse({"error": error.message}, status_code=error.status)
        return JSONResponse({})

    async def _answer(self, request: Request) -> Response:
        found = (
            find_api(request.url.path, request.query_params) if request.method == "POST" else None
        )
        if found is None:
            answer = models_answer(request.url.path, request.headers, self.models)
            return await self._kept(request, "models", JSONResponse(*answer))
        name, api = found
        serial, self.books.serial = self.books.serial, self.books.serial + 1
        try:
            response = await self._performed(request, name, api, serial)
        except RejectedError as error:
            self.books.enter(name, "", Tally(calls=1, failed=1))
            response = _refusal(api, error, serial)
        return await self._kept(request, "", response)

    async def _kept(self, request: Request, endpoint: str, response: Response) -> Response:
        if endpoint:
            self.books.enter(endpoint, "", Tally(calls=1))
        query = shown_query(request.url.query)
        received = Received(
            method=request.method,
            path=request.url.path + (f"?{query}" if query else ""),
            headers=shown_headers(request.headers),
            body=shown_body(await request.body()),
            status=response.status_code,
            samples=tuple(filter(None, response.headers.get(_SAMPLES, "").split(","))),
        )
        self.books.keep(received)
        return response

    async def _performed(self, request: Request, name: str, api: Api, serial: int) -> Response:
        self._admit(request)
        ask = api.read(request.url.path, await _fields(request))
        if self.models and ask.model not in self.models:
            raise RejectedError(
                404, f"The model `{ask.model}` does not exist", code="model_not_found"
            )
        header = request.headers.get(HEADER)
        fault = self.faults.strike(
            header, endpoint=name, question=ask.question, overloaded=api.overloaded
        )
        if fault.status or (fault.kind == "error-event" and not ask.stream):
            raise fault.error()
        if fault.kind == "hang" and (fault.after is None or not ask.stream):
            self.books.enter(name, ask.model, Tally(calls=1, failed=1))
            return await _silence(request)

        ask = replace(ask, count=fault.granted(ask.count))
        takes = self.stage.draw(ask)
        self._book(name, ask, takes)
        return await self._spoken(ask, api, takes, fault, serial)

    def _admit(self, request: Request) -> None:
        if self.require_key is None:
            return
        keys = _keys(request)
        if not keys or self.require_key not in {"", *keys}:
            raise RejectedError(401, "Incorrect API key provided.", code="invalid_api_key")

    def _book(self, name: str, ask: Ask, takes: tuple[Take, ...]) -> None:
        tally = Tally(
            calls=1,
            samples=len(takes),
            prompt_tokens=ask.prompt_tokens,
            completion_tokens=sum(take.tokens for take in takes),
        )
        self.books.enter(name, ask.model, tally)

    async def _spoken(
        self, ask: Ask, api: Api, takes: tuple[Take, ...], fault: Fault, serial: int
    ) -> Response:
        start = asyncio.get_running_loop().time()
        head, per_token = self.latency.schedule(ask.question, takes[0].ordinal if takes else 0)
        if fault.kind == "slow-head":
            head += fault.seconds
        headers = {**api.headers(serial), _SAMPLES: ",".join(t.tag for t in takes)}

        if ask.stream:
            await _until(start + head)
            frames = api.stream(ask, takes)
            body = _paced(frames, start + head, per_token, fault, api)
            return StreamingResponse(body, headers={**headers, "content-type": api.event_stream})
        await _until(start + head + per_token * max((take.tokens for take in takes), default=0))
        said = api.whole(ask, takes)
        whole = said if isinstance(said, bytes) else _encoded(api, said)
        headers |= {"content-type": ask.content_type or api.content_type}
        if fault.kind == "cut-stream":
            return _halved(whole, headers)
        return Response(whole, headers=headers)


async def _fields(request: Request) -> dict[str, Any]:
    """The members of a JSON body; the fields of a form, a file as the digest of its content."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        return mapped(await _json(request))
    parts = read_parts(await request.body(), kind)
    if parts is None:
        raise RejectedError(400, "We could not parse the form that is your request's body.")
    return {
        part.name: digest(part.filename, part.content.hex())
        if part.is_file
        else part.content.decode("utf-8", "replace")
        for part in parts
    }


async def _json(request: Request) -> object:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise RejectedError(400, "We could not parse the JSON body of your request.") from None


def _keys(request: Request) -> set[str]:
    headers = (request.headers.get(n) for n in ("x-api-key", "api-key", "x-goog-api-key"))
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return {key for key in (*headers, bearer, request.query_params.get("key")) if key}


def _encoded(api: Api, body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 if api.pretty else 0)


def _refusal(api: Api, error: RejectedError, serial: int) -> Response:
    headers = dict(api.headers(serial))
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:g}"
    if isinstance(api, NamesErrors):
        headers |= api.error_headers(error)
    return Response(
        _encoded(api, api.error(error)),
        status_code=error.status,
        headers=headers,
        media_type="application/json",
    )


async def _until(moment: float) -> None:
    delay = moment - asyncio.get_running_loop().time()
    if delay > 0:
        await asyncio.sleep(delay)


async def _silence(request: Request) -> Response:
    await request.receive()  # the body is read, so what comes next is the end of the connection
    return Response(status_code=499)


async def _paced(
    frames: Iterator[Frame], start: float, per_token: float, fault: Fault, api: Api
) -> AsyncIterator[bytes]:
    place = 0
    for place, frame in enumerate(frames):
        if place == fault.pieces:
            break
        await _until(start + per_token * frame.step)
        yield frame.body
    else:
        return
    if fault.kind == "error-event":
        yield api.error_frame(fault.error(api.overloaded), place)
    elif fault.kind == "hang":
        await asyncio.Event().wait()
    else:
        raise _CutError


def _halved(whole: bytes, headers: Mapping[str, str]) -> Response:
    async def half() -> AsyncIterator[bytes]:
        yield whole[: len(whole) // 2]
        raise _CutError

    return StreamingResponse(half(), headers={**headers, "content-length": str(len(whole))})
