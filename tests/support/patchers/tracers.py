"""Tracers, and how what they saw is read. Each is imported when it comes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Datadog", "Logfire", "OpenTelemetry", "Proxies", "Seams", "Sentry"]


@dataclass(slots=True)
class OpenTelemetry:
    """Instrumentors of the names given, with their spans kept in memory."""

    names: tuple[str, ...]
    _spans: Any = None
    _there: list[Any] = field(default_factory=list[Any])

    def come(self) -> None:
        self._spans = self._spans or _exporter()
        for name in self.names:
            self._there.append(_instrumentor(name))
            self._there[-1].instrument(tracer_provider=self._provider())

    def _provider(self) -> Any:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        return provider

    def leave(self) -> None:
        while self._there:
            self._there.pop().uninstrument()

    @contextmanager
    def watch(self) -> Generator[list[str]]:
        seen = list[str]()
        if self._spans is not None:
            self._spans.clear()
        yield seen
        if self._spans is not None:
            seen.extend(_line(s.name, s.attributes) for s in self._spans.get_finished_spans())


def _instrumentor(name: str) -> Any:
    """Return the instrumentor of *name*, `module:class`."""
    module, _, kind = name.partition(":")
    return getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), kind)()


def _exporter() -> Any:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


@dataclass(slots=True)
class Logfire(OpenTelemetry):
    """Uses OpenTelemetry's instrumentors, with a provider of its own; taken away by theirs."""

    names: tuple[str, ...] = (
        "httpx:HTTPXClientInstrumentor",
        "httpx:HTTPX2ClientInstrumentor",
        "requests:RequestsInstrumentor",
        "aiohttp_client:AioHttpClientInstrumentor",
    )

    def come(self) -> None:
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        logfire: Any = importlib.import_module("logfire")

        if self._spans is None:
            self._spans = _exporter()
            kept = SimpleSpanProcessor(self._spans)
            logfire.configure(
                send_to_logfire=False, console=False, additional_span_processors=[kept]
            )
        logfire.instrument_httpx()
        logfire.instrument_requests()
        logfire.instrument_aiohttp_client()
        self._there.extend(_instrumentor(name) for name in self.names)


@dataclass(slots=True)
class Sentry:
    """The SDK with what it enables by itself. Its patches stay; without a client they do nothing."""

    _client: Any = None

    def come(self) -> None:
        sdk: Any = importlib.import_module("sentry_sdk")

        def drop(_: object, envelope: object) -> None:
            """Send *envelope* nowhere."""

        transport: Any = importlib.import_module("sentry_sdk.transport").Transport
        nowhere = type("Nowhere", (transport,), {"capture_envelope": drop})
        sdk.init(dsn="http://key@127.0.0.1:1/1", traces_sample_rate=1.0, transport=nowhere)

    def leave(self) -> None:
        sdk: Any = importlib.import_module("sentry_sdk")
        sdk.init()

    @contextmanager
    def watch(self) -> Generator[list[str]]:
        sdk: Any = importlib.import_module("sentry_sdk")
        seen = list[str]()
        with sdk.start_transaction(name="probe") as transaction:
            yield seen
            recorder: Any = getattr(transaction, "_span_recorder", None)  # gone when it ends
            for span in recorder.spans if recorder else ():
                seen.append(_line(span.op, {**span._data, "status": span.status}))


@dataclass(slots=True)
class Datadog:
    """ddtrace's integrations, patched one by one; spans are caught before they are sent."""

    names: tuple[str, ...]
    _spans: list[Any] = field(default_factory=list[Any])
    _set_up: bool = False

    def come(self) -> None:
        trace: Any = importlib.import_module("ddtrace.trace")
        if not self._set_up:

            def keep(_: object, spans: list[Any]) -> None:
                self._spans.extend(spans)

            catch = type("Catch", (trace.TraceFilter,), {"process_trace": keep})
            trace.tracer.configure(trace_processors=[catch()])
            self._set_up = True
        for name in self.names:
            self._integration(name).patch()

    def _integration(self, name: str) -> Any:
        return importlib.import_module(f"ddtrace.contrib.internal.{name}.patch")

    def leave(self) -> None:
        for name in reversed(self.names):
            self._integration(name).unpatch()

    @contextmanager
    def watch(self) -> Generator[list[str]]:
        seen = list[str]()
        self._spans.clear()
        yield seen
        for span in self._spans:
            seen.append(_line(f"{span.name} {span.error}", span.get_tags()))


SEAMS = (
    "httpx:Client._send_single_request",
    "httpx:AsyncClient._send_single_request",
    "httpx2:Client._send_single_request",
    "httpcore:ConnectionPool.handle_request",
    "httpcore2:ConnectionPool.handle_request",
    "urllib3.connectionpool:HTTPConnectionPool.urlopen",
    "aiohttp.connector:BaseConnector.connect",
    "http.client:HTTPConnection.endheaders",
)
"""The very methods that we patch."""


@dataclass(slots=True)
class Seams:
    """Somebody on the very methods that we patch: the hardest case, by a plain function."""

    put_back: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    calls: list[str] = field(default_factory=list[str])

    def come(self) -> None:
        for seam in SEAMS:
            module, _, path = seam.partition(":")
            kind, _, name = path.partition(".")
            owner = getattr(importlib.import_module(module), kind)
            self._put(owner, name)

    def _put(self, owner: Any, name: str) -> None:
        before: Callable[..., Any] = owner.__dict__[name]
        calls = self.calls

        @functools.wraps(before)
        def seen(*args: Any, **kwargs: Any) -> Any:
            calls.append(f"{owner.__name__}.{name}")
            return before(*args, **kwargs)

        setattr(owner, name, seen)
        self.put_back.append(lambda: setattr(owner, name, before))

    def leave(self) -> None:
        while self.put_back:
            self.put_back.pop()()

    @contextmanager
    def watch(self) -> Generator[list[str]]:
        seen = list[str]()
        self.calls.clear()
        yield seen
        seen.extend(self.calls)


@dataclass(slots=True)
class Proxies(Seams):
    """The same by proxies of wrapt, taken away as OpenTelemetry takes its own away."""

    def _put(self, owner: Any, name: str) -> None:
        wrapt: Any = importlib.import_module("wrapt")

        def seen(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            self.calls.append(f"{owner.__name__}.{name}")
            return wrapped(*args, **kwargs)

        def put_back() -> None:
            there: Any = owner.__dict__[name]
            if isinstance(there, wrapt.FunctionWrapper):
                setattr(owner, name, there.__wrapped__)

        wrapt.wrap_function_wrapper(owner, name, seen)
        self.put_back.append(put_back)


def _line(name: str, attributes: Mapping[str, Any] | None) -> str:
    """Return a span as a line, without what differs from call to call."""
    kept = sorted(f"{key}={value}" for key, value in (attributes or {}).items() if _repeats(key))
    return f"{name} {' '.join(kept)}"


def _repeats(key: str) -> bool:
    return not any(part in key for part in _VARIES)


_VARIES = (
    *("id", "dur", "time", "length", "size", "tokens", "usage"),
    *("useragent", "user_agent"),  # boto3 tells its features in no order
    *("thread", "stack", "code.", "pid", "logfire", "base_service"),
)
"""What the attributes have in their names that differ from call to call."""
