"""The rehearsal on a loopback socket, served by uvicorn in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.books import TAIL, Books, Calls
from cachesaver.rehearsal.casting import find_voice
from cachesaver.rehearsal.faults import Faults
from cachesaver.rehearsal.latency import Latency
from cachesaver.rehearsal.stage import Stage
from cachesaver.rehearsal.values import Voice

if TYPE_CHECKING:
    from cachesaver.rehearsal.app import Theatre
    from cachesaver.rehearsal.serving import Service

__all__ = ["Rehearsal"]

_MISSING = (
    "the rehearsal needs starlette and uvicorn, which are not installed. Install them with:\n"
    "    pip install 'cachesaver[rehearsal]'"
)


class Rehearsal:
    """A provider of language models that plays OpenAI, Anthropic and Gemini on 127.0.0.1.

    Used like::

        with Rehearsal(seed=7) as provider:
            client = openai.OpenAI(base_url=provider.openai_url, api_key="any")
            ...
            assert provider.calls().samples == 3

    The same history of requests gives the same answers: sample k of a question is a pure function
    of seed, voice, question and k, where k is counted per question in the order of arrival.

    Args:
        seed: Another one, other answers.
        latency: Seconds to the head of an answer, a `Latency`, or its spelling (`Latency.parse`).
        voice: Name of a built-in voice (`"prose"`, `"echo"`, `"game24"`), or a function.
        port: 0 for any that is free.
        overload: Share of requests, 0 to 1, that are answered with 429, 503 or 529, as the
            provider would; drawn by seed.
        require_key: Refuse with 401 who brings no key (`True`) or another one than this.
        models: The only models there are; by default any name will do.
        tail: How many received requests `calls` remembers, the last ones.

    Raises:
        ConfigurationError: A library is missing, or an argument makes no sense.
    """

    def __init__(  # noqa: PLR0913  # one keyword per thing that can be chosen
        self,
        seed: int = 0,
        *,
        latency: float | str | Latency = 0.0,
        voice: str | Voice = "prose",
        port: int = 0,
        overload: float = 0.0,
        require_key: str | bool | None = None,
        models: tuple[str, ...] = (),
        tail: int = TAIL,
    ) -> None:
        try:
            from cachesaver.rehearsal.app import Theatre
        except ModuleNotFoundError as error:
            raise ConfigurationError(_MISSING) from error
        self._port = port
        self._service: Service | None = None
        self._theatre: Theatre = Theatre(
            stage=Stage(seed, find_voice(voice)),
            latency=_latency(latency),
            faults=Faults(seed=seed, overload=overload),
            books=Books(tail=tail),
            require_key=_key(require_key),
            models=models,
        )

    def __repr__(self) -> str:
        state = f"at {self.url}" if self._service else "stopped"
        return f"<Rehearsal {state}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:49152`; for SDKs that add `/v1` themselves."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """Base URL for the `openai` SDK."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for the `anthropic` SDK."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """Base URL for `google-genai` (`HttpOptions.base_url`)."""
        return self.url

    @property
    def latency(self) -> Latency:
        """How long answers take; can be set at any time, and changes nothing but time and order."""
        return self._theatre.latency

    @latency.setter
    def latency(self, latency: float | str | Latency) -> None:
        self._theatre.latency = _latency(latency)

    def calls(self) -> Calls:
        """Return what was asked since the start or the last reset; from any thread."""
        return self._theatre.books.calls()

    def fault(self, spelling: str, *, endpoint: str = "") -> None:
        """Let something go wrong in the requests to come; see `cachesaver.rehearsal.faults`.

        Args:
            spelling: Such as `"429;times=2"` or `"cut-stream"`.
            endpoint: Such as `"openai.chat"`; empty for all.
        """
        self._perform(lambda: self._theatre.faults.plan(spelling, endpoint=endpoint))

    def reset(self) -> None:
        """Begin again: sample 0 of every question, counters at zero, no faults planned."""
        self._perform(self._theatre.reset)

    def start(self) -> Self:
        """Listen; returns when requests are accepted.

        Raises:
            ConfigurationError: There is no such port.
            OSError: The port is taken.
        """
        from cachesaver.rehearsal.serving import Service
        from cachesaver.serving import listening

        if self._service is None:
            sock = listening("127.0.0.1", self._port)
            self._port = sock.getsockname()[1]
            self._service = Service(self._theatre.app(), sock)
        return self

    def stop(self) -> None:
        """Stop listening and break what is still under way. Safe to call twice."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def _perform(self, deed: Callable[[], None]) -> None:
        if self._service is None:
            deed()
        else:
            self._service.perform(deed)


def _latency(given: float | str | Latency) -> Latency:
    if isinstance(given, Latency):
        return given
    return Latency.parse(given) if isinstance(given, str) else Latency(base=given)


def _key(given: str | bool | None) -> str | None:  # noqa: FBT001  # as the caller spells it
    if isinstance(given, str):
        return given
    return "" if given else None
