"""The models that an application serves, and the threads that work for it off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cachesaver.local.app.grammars import Grammars
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.engine import Engine

__all__ = ["Encoder", "Served", "Shop"]

_THREADS = 4

T = TypeVar("T")


class Encoder(Protocol):
    """A model that turns texts into vectors. Used by one thread at a time.

    Attributes:
        context: Tokens that a text may have.
        width: Numbers in a vector.
        vocabulary: Token ids are below this.
        lowers: Whether a text is written in small letters before it is made token ids.
    """

    context: int
    width: int
    vocabulary: int
    lowers: bool

    def embed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return a vector for each of *texts*, which are token ids with all that belongs around them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model under its name.

    Attributes:
        name: That requests say.
        tongue: Its tokenizer.
        engine: That draws; `None`: it writes no text.
        encoder: That embeds; `None`: it gives no vectors.
        ends: Ids of the tokens that end its answers.
        created: Seconds since 1970.
    """

    name: str
    tongue: Tongue
    engine: Engine | None = None
    encoder: Encoder | None = None
    ends: frozenset[int] = frozenset()
    created: int = field(default_factory=lambda: int(time.time()))
    grammars: Grammars = field(init=False)

    def __post_init__(self) -> None:
        size = self.engine.vocabulary if self.engine else 0
        object.__setattr__(self, "grammars", Grammars(self.tongue.tokenizer, size, self.ends))

    @property
    def fingerprint(self) -> str:
        """What answers depend on beside the request: the model's name, and the kind of its engine."""
        kind = self.engine.stats().engine if self.engine else "encoder"
        return f"fp_{hashlib.sha256(f'{self.name}/{kind}'.encode()).hexdigest()[:10]}"

    @property
    def writer(self) -> Engine:
        """Its engine.

        Raises:
            Refusal: It has none.
        """
        if self.engine is None:
            message = f"{self.name} gives embeddings and writes no text: ask /v1/embeddings"
            raise Refusal(400, message, param="model", code="model_not_supported")
        return self.engine


class Shop:
    """What an application has: models by name, threads.

    Raises:
        ValueError: Two models have one name.
    """

    def __init__(self, models: Iterable[Served]) -> None:
        listed = tuple(models)
        self.models = {each.name: each for each in listed}
        if len(self.models) < len(listed):
            raise ValueError("two models have the same name")
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cachesaver-local-text")
        self.bench = ThreadPoolExecutor(1, thread_name_prefix="cachesaver-local-encoder")

    def find(self, name: str) -> Served:
        """Return the model *name*.

        Raises:
            Refusal: 404.
        """
        if (found := self.models.get(name)) is None:
            known = ", ".join(sorted(self.models))
            message = f"the model {name[:200]!r} does not exist: there is {known}"
            raise Refusal(404, message, param="model", code="model_not_found")
        return found

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Return what *work* returns, which is done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    def close(self) -> None:
        """Close the engines; what is under way ends with an error."""
        for each in self.models.values():
            if each.engine is not None:
                each.engine.close()
        self.pool.shutdown(cancel_futures=True)
        self.bench.shutdown(cancel_futures=True)
