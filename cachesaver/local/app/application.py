"""The ASGI application: its paths, and what each does with a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cachesaver.local.app.bodies import read
from cachesaver.local.app.chat import Chat
from cachesaver.local.app.chat_ask import ChatAsk
from cachesaver.local.app.chat_order import order_chat
from cachesaver.local.app.completions import Completions, order_completions
from cachesaver.local.app.door import Door
from cachesaver.local.app.embeddings import answer_embeddings, texts_of
from cachesaver.local.app.jobs import Job
from cachesaver.local.app.ordering import FIRST_INDEX, first_index_of
from cachesaver.local.app.other_asks import CompletionAsk, EmbeddingAsk
from cachesaver.local.app.pages import list_models, metrics, model_object
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.replies import Events, Teller, Whole, dumps
from cachesaver.local.app.responses import Responses
from cachesaver.local.app.responses_ask import ResponsesAsk, to_chat
from cachesaver.local.app.served import Shop

__all__ = ["LARGEST_BODY", "application"]

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes."""


class Placed(NamedTuple):
    """What an answer is made of.

    Attributes:
        is_stream: Whether it is one.
        is_seeded: Whether its seed was given.
    """

    is_stream: bool
    is_seeded: bool
    job: Job
    teller: Teller


Place = Callable[[Shop, bytes, int], Placed]


def application(shop: Shop, door: Door) -> Starlette:
    """Return the application of *shop*, for those that *door* lets in; its end closes the shop."""

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncGenerator[None, None]:
        yield
        shop.close()

    app = Starlette(
        routes=_ROUTES,
        lifespan=life,
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_found,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    app.state.shop = shop
    app.state.door = door
    return app


def _chat(shop: Shop, body: bytes, first_index: int) -> Placed:
    ask = read(ChatAsk, body)
    served = shop.find(ask.model)
    job, manner = order_chat(served, ask, first_index, shop.pool)
    return Placed(bool(ask.stream), ask.seed is not None, job, Chat(served, ask, job, manner))


def _completions(shop: Shop, body: bytes, first_index: int) -> Placed:
    ask = read(CompletionAsk, body)
    served = shop.find(ask.model)
    job, echoes = order_completions(served, ask, first_index, shop.pool)
    return Placed(
        bool(ask.stream), ask.seed is not None, job, Completions(served, ask, job, echoes)
    )


def _responses(shop: Shop, body: bytes, first_index: int) -> Placed:
    ask = read(ResponsesAsk, body)
    served = shop.find(ask.model)
    job, manner = order_chat(served, to_chat(ask), first_index, shop.pool)
    return Placed(bool(ask.stream), ask.seed is not None, job, Responses(served, ask, job, manner))


def _drawn(place: Place) -> Any:
    """Return the endpoint that has samples drawn, by *place*, and tells them."""

    async def answer(request: Request) -> Any:
        shop = _shop(request)
        first_index = first_index_of(request.headers)
        body = await _body(request)
        placing = asyncio.ensure_future(shop.off_loop(lambda: place(shop, body, first_index)))
        try:
            placed = await asyncio.shield(placing)
        except asyncio.CancelledError:
            placing.add_done_callback(_abandon)
            raise
        # Who has some samples of a seed already learns by it that others can be asked for by number.
        said = [(FIRST_INDEX.encode(), b"%d" % first_index)] if placed.is_seeded else []
        return (Events if placed.is_stream else Whole)(placed.job, placed.teller, said)

    return answer


def _abandon(placing: asyncio.Future[Placed]) -> None:
    if not placing.cancelled() and placing.exception() is None:
        placing.result().job.close()


async def _embeddings(request: Request) -> Response:
    shop = _shop(request)
    body = await _body(request)

    def prepare() -> tuple[Any, ...]:
        ask = read(EmbeddingAsk, body)
        served = shop.find(ask.model)
        return (served, ask, *texts_of(served, ask))

    prepared = await shop.off_loop(prepare)
    loop = asyncio.get_running_loop()
    answer = await loop.run_in_executor(shop.bench, lambda: dumps(answer_embeddings(*prepared)))
    return _json(answer)


async def _models(request: Request) -> Response:
    return _json(dumps(list_models(_shop(request))))


async def _model(request: Request) -> Response:
    return _json(dumps(model_object(_shop(request).find(request.path_params["name"]))))


async def _metrics(request: Request) -> Response:
    return PlainTextResponse(metrics(_shop(request)), media_type="text/plain; version=0.0.4")


async def _health(request: Request) -> Response:
    return _json(dumps({"status": "ok", "models": sorted(request.app.state.shop.models)}))


def _shop(request: Request) -> Shop:
    """Return the shop, for those who may ask.

    Raises:
        Refusal: 401, or 403.
    """
    request.app.state.door.check(request.headers)
    shop: Shop = request.app.state.shop
    return shop


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refusal(413, f"a body of more than {LARGEST_BODY} bytes", code="body_too_large")
    return bytes(body)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101  # it is registered for these
    response = _json(dumps(error.body), error.status)
    response.headers.update(error.headers)
    return response


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for these
    message = f"{error.detail}: {request.method} {request.url.path[:200]}"
    return _json(
        dumps(Refusal(error.status_code, message, code="unknown_url").body), error.status_code
    )


async def _gone(_: Request, __: Exception) -> Response:
    """Answer a request whose sender left before it was whole: nobody hears it, and nothing failed."""
    return Response(status_code=400)


async def _failed(_: Request, error: Exception) -> Response:
    message = f"the server failed: {type(error).__name__}; it said more where it runs"
    return _json(dumps(Refusal(500, message, code="internal_error").body), 500)


_ROUTES = [
    Route("/v1/chat/completions", _drawn(_chat), methods=["POST"]),
    Route("/v1/completions", _drawn(_completions), methods=["POST"]),
    Route("/v1/responses", _drawn(_responses), methods=["POST"]),
    Route("/v1/embeddings", _embeddings, methods=["POST"]),
    Route("/v1/models", _models, methods=["GET"]),
    Route("/v1/models/{name:path}", _model, methods=["GET"]),
    Route("/health", _health, methods=["GET"]),
    Route("/metrics", _metrics, methods=["GET"]),
]
