"""The shapes others implement: gate, transport, dialect, store.

Protocols and the plain values that cross them; no implementation. Each port names the test class
that proves an implementation right, and has a page in docs/how-to that writes one from scratch.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, runtime_checkable

from cachesaver.exchange import AsyncReply, Reply, Request, Response, Sample

__all__ = [
    "AsyncSend",
    "Dialect",
    "Gate",
    "Grant",
    "Policy",
    "Run",
    "Sealed",
    "Send",
    "Store",
    "StoreSummary",
    "Transport",
]

Send = Callable[[Request], Reply]
"""Send a request for real and return as soon as its head is there. Raises what the client raises."""

AsyncSend = Callable[[Request], Awaitable[AsyncReply]]


class Gate(Protocol):
    """What a transport is handed: the one door through which requests come in to us.

    Used like::

        if not gate.wants(request.method, host, path) or not (body := readable(request)):
            return original(request)                 # none of our business: untouched
        return theirs(gate.answer(ours(request, body), send))

    `answer` may call its *send* never (a hit), once, or several times, with requests that are not
    the one it was given (another body, a header of ours removed), and may consume the reply in
    this call or hand its chunks on while they arrive.
    """

    def wants(self, method: str, host: str, path: str) -> bool:
        """Tell, in a microsecond and without the body, whether *answer* should see this request.

        False while a send of ours is under way in this context or thread, so that a client built
        on another hooked client is seen once, at the outermost hook.

        Args:
            method: In any case.
            host: Without port, lower case.
            path: Percent-encoded; a query may follow.
        """
        ...

    def ignores(self, path: str, /) -> bool:
        """Tell that `wants` says no to *path*, whatever the method and the host; False tells nothing.

        To be asked first, for it takes half of what `wants` takes. A transport need not ask it.

        *path*: As `wants` takes it; or all of a URL, of which nothing is told.
        """
        del path
        return False

    def answer(self, request: Request, send: Send) -> Reply:
        """Answer *request* from the store or through *send*; blocking."""
        ...

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """Answer *request* from the store or through *send*, on any event loop."""
        ...

    def passed(self, summary: str, reason: str) -> None:
        """Report a request we wanted but had to let through unread (*reason*: one clause)."""
        ...

    @property
    def through_mocks(self) -> bool:
        """Whether to intercept even where a mocking library owns the network (default: False)."""
        ...

    @property
    def heads(self) -> bool:
        """Whether requests for a head alone (`HEAD`) may be asked about too (default: False)."""
        return False


class Transport(Protocol):
    """One HTTP client library and where we hook into it. A module may serve as one.

    An adapter is right when `cachesaver.transports.testing.TransportContract` passes on it.

    Attributes:
        NAME: Such as `"httpx"`.
        MODULES: Import names whose appearance calls `hook`, such as `("httpx", "httpx2")`.
    """

    NAME: str
    MODULES: tuple[str, ...]

    def hook(self, module: ModuleType, gate: Gate) -> Callable[[], None]:
        """Hook *gate* into the client library *module*; return what undoes it.

        Covers clients that exist already. The undoing restores an attribute only if it is still
        the very object put there; if someone patched on top, our layer becomes a pass-through.
        """
        ...


class Dialect(Protocol):
    """What we know of one provider API. Pure: no I/O, no clock, no randomness.

    `body` below is the request's parsed JSON object; of a form (multipart or not) the fields by
    name, as `canonical.parse_body` reads them. Methods that take a `Response` take it with
    decoded body, and whole.

    Attributes:
        name: Such as `"openai.chat"`; part of the fingerprint.
        endpoints: Regular expressions, each matched against the *end* of the URL's path.
        hosts: A regular expression for all of `host:port` (the scheme's port where the URL names
            none), where the path and the body do not tell this API for certain; empty for any
            host. A host that the user names is taken for one of them.
        deterministic: Whether the same question always has the same answer (embeddings, token
            counts): then sample 0 is everybody's, and there are no draws.
        volatile: Body fields that do not shape the answer, with the reason or source of each.
            Dotted paths reach into objects (`"metadata.user_id"`).
        defaults: Body fields and the value the provider documents as their default: stating it
            is the same as leaving the field out. None is a default of every field listed here
            or not, where `null_is_absent`.
        null_is_absent: Whether an explicit top-level `null` means the same as no field.
        ties: Dotted paths (`*`: each item) of names that do no more than tie one part of the body
            to another, as a function call to its result: see `cachesaver.ties`.
        headers: Answer-shaping headers, lower case.
        max_count: The most samples one request can ask for; None if there is no documented limit.
        converts: Whether `whole` and `stream` turn either form of a sample into the other, so
            that asking for a stream is not part of the question.
        unread: Whether nothing is known of the API, so that every header and every field of the
            query may shape the answer; False where the attribute is missing.
    """

    name: str
    endpoints: tuple[str, ...]
    hosts: str
    deterministic: bool
    volatile: Mapping[str, str]
    defaults: Mapping[str, object]
    null_is_absent: bool
    ties: tuple[str, ...]
    headers: frozenset[str]
    max_count: int | None
    converts: bool
    unread: bool = False

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        """Tell whether *request*, whose path fits an endpoint, has this API's shape for certain."""
        ...

    def target(self, path: str, query: str) -> tuple[str, str]:
        """Return path and query with what only selects stream or whole taken out."""
        ...

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        """Tell whether the caller asks for a stream."""
        ...

    def count(self, body: Mapping[str, object]) -> int:
        """Return how many samples the request asks for; 1 where the API has no such field."""
        ...

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        """Return *request* asking for *count* samples, 1 to `max_count`; itself if it does already."""
        ...

    def streamed(self, response: Response) -> bool:
        """Tell whether *response* is in the form of a stream."""
        ...

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        """Tell whether *response* is in the form (stream or whole) that *request* asks for."""
        ...

    def sound(self, response: Response) -> bool:
        """Tell whether a 2xx *response* is complete and holds an answer, not an error."""
        ...

    def finished(self, tail: bytes) -> bool:
        """Tell whether a stream whose last (up to 4096) bytes are *tail* has said its last word.

        False where only the end of the body tells.
        """
        ...

    def all_but_finished(self, tail: bytes) -> bool:
        """Tell whether a stream that has not, has only its last word left: one without content.

        Programs leave here that want no more of it; it is sent together with what came before.
        """
        ...

    def split(self, response: Response) -> tuple[Response, ...]:
        """Return the samples in *response*, each as the response to a request for one."""
        ...

    def join(self, responses: Sequence[Response]) -> Response:
        """Return the response that holds all of *responses* as its samples; undoes `split`."""
        ...

    def whole(self, response: Response) -> Response:
        """Return the recorded stream *response* as the provider would have sent it unstreamed."""
        ...

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        """Return the whole *response* as a valid stream, as *request* (with *body*) asks for it."""
        ...

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        """Return a body for each of the independent inputs in *body*, in order, that asks for it alone.

        Of a deterministic dialect only. `(body,)` where there is nothing to take apart. Two
        spellings of one input (a text, a list of one text) give equal bodies.
        """
        ...

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        """Return *request* asking for those of its inputs only that stand at *places*, in order."""
        ...

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        """Return the answer to each of *bodies*, as if it had been asked alone; `join` undoes it.

        Args:
            response: To a request for all of them, in this order.
            bodies: Some of those that `inputs` gave.

        Raises:
            DialectError: There is not one answer for each.
        """
        ...

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """Return model and usage block of *response* (stream or whole) as the provider sent them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a program under a namespace.

    Attributes:
        id: Unique among runs; not empty.
        namespace: Any text.
        replicate: From 0, where this run must be independent of its sisters; else None.
    """

    id: str
    namespace: str
    replicate: int | None = None


class Policy(enum.Enum):
    """What `Store.acquire` may do for a draw that no stored sample is free for."""

    RESERVE = "reserve"
    """Reserve the lowest missing index under a lease (mode `cache`)."""
    READ = "read"
    """Nothing: say MISSING (mode `replay`)."""
    FRESH = "fresh"
    """Reserve a new index for every draw, whatever is stored (mode `refresh`)."""
    STORED = "stored"
    """Nothing: where RESERVE would reserve, say MISSING and leave everything as it was."""
    RECALL = "recall"
    """Nothing: as STORED, but say MISSING too where nothing is known of the draw: it stands back for
    those whose own sample is there."""
    APART = "apart"
    """Reserve a new index where no sample is there at once: for a caller that may not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a store answers for one draw.

    Attributes:
        index: The sample index the draw is assigned; -1 when nothing is stored or reserved.
        sample: The stored sample: a hit.
        token: Not empty when the draw leads: it is to buy the sample and `fill` or `release`.
        refusal: Gives the provider's error that is to be shown in place of the sample, and each time
            the next one: it was recorded, before the sample was. None: there is none.

    Neither sample nor token: someone else's flight is up (index >= 0), or MISSING (index -1).
    """

    index: int
    sample: Sample | None = None
    token: str = ""
    refusal: Callable[[], Response] | None = None


@runtime_checkable
class KeepsErrors(Protocol):
    """A store that keeps errors of the provider as well, and gives them as `Grant.refusal`."""

    def keeps(self, status: int) -> bool:
        """Tell whether answers with this *status*, 300 or more, are kept."""
        ...

    def note(self, fingerprint: str, sample: Sample, *, question: bytes) -> Future[Sample]:
        """Keep the error *sample*, in which `draw` came to, after those it has; see `Store.fill`."""
        ...


@runtime_checkable
class Sealed(Protocol):
    """A store that may say that nothing is bought but what it names itself."""

    def is_sealed(self) -> bool:
        """Tell whether a session over it lets nothing else out, as in the mode `replay`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSummary:
    """Totals of a store, for `cachesaver store info`."""

    fingerprints: int
    samples: int
    namespaces: int
    size: int
    """Bytes on disk (memory: 0)."""


class Store(Protocol):
    """Samples by fingerprint and index; assignments by run; leases.

    A backend is right when `cachesaver.stores.testing.StoreContract` passes on it. All methods are
    atomic and thread-safe, across processes too where the store is shared. *owner* names the
    calling process (`cachesaver.stores.processes.here()`); a lease of a dead owner is free.
    """

    def acquire(
        self, run: Run, fingerprint: str, draws: Sequence[str], *, owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        """Assign one index to each of *draws* by the rule of contract.md ("Assignment").

        Of draws handed over together those of which something is known (`assignment.in_turn`) are
        decided first. Repeatable: a draw that holds an index in this run keeps it, unless the
        policy has it move; then the index it had is free.

        Returns:
            A grant for each draw, in the order of *draws*.
        """
        ...

    def look(self, fingerprints: Sequence[str], *, owner: str, leads: bool) -> tuple[Grant, ...]:
        """Look for sample 0 of each of *fingerprints*: of what has one answer, and no draws.

        Args:
            fingerprints: No two alike.
            owner: Who asks.
            leads: Whether to lead what is neither stored nor in flight; else it is MISSING, and
                what is in flight as well.

        Returns:
            A grant for each, in their order. No run has it by that, and *release* with *keeps*
            ends a lease.
        """
        ...

    def poll(self, fingerprint: str, index: int, *, owner: str) -> Grant:
        """Ask again for a slot in flight: hit, still in flight, or, its leader gone, a token."""
        ...

    def renew(self, fingerprint: str, index: int, token: str) -> bool:
        """Prolong a lease; False when it was lost."""
        ...

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        """Put *sample* into an empty slot; resolves, once it is on disk, to what the slot holds.

        Another's sample there wins and is what the future gives (equality tells who won). A late
        fill with an outdated *token* is accepted while the slot is empty. *question*: the redacted
        canonical request, kept once per fingerprint for `explain` and miss reports. Where the sample
        cannot be kept the future raises StoreError, and the lease is still to be released.
        """
        ...

    def release(
        self, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
    ) -> None:
        """Give up a lease: the slot is free for the next draw of any run at once.

        Args:
            run: Whose draw has the index. It gives that up too, and the namespace remembers what
                it did before.
            fingerprint: Whose slot it is.
            index: The slot.
            token: Of the lease; without effect where it holds no longer.
            keeps: End the lease only; whichever draw has the index keeps it. For one who bought
                on another's behalf, and failed.
        """
        ...

    def join(self, run: str, *, owner: str) -> int:
        """Return the number of process *owner* in a run: 0 for the first that joins, then 1, 2, ...

        Repeatable: an owner keeps its number. Who joins is not a member by that.

        Args:
            run: The id of the run, as below.
            owner: The process.
        """
        ...

    def enter(self, run: str, member: str, *, owner: str, lasting: bool = False) -> None:
        """Note that *member* is in a run, which is kept as long as a member of it lives.

        Repeatable. What a run took in all its namespaces and replicates is forgotten together, when
        it is over; what the namespaces remember never is.

        Args:
            run: The id of the run.
            member: Names this membership among all.
            owner: The process it is of: with that it ends.
            lasting: Whether the run outlives a gap between its members: then it is over only when
                nobody has drawn in it for `membership.KEPT` seconds. Who enters first says so.
        """
        ...

    def leave(self, run: str, member: str) -> None:
        """End a membership, and forget the run if it is over by that."""
        ...

    def collect(self) -> None:
        """Forget all runs that are over (`membership.is_over`).

        A store that outlives its processes does so by itself, in small steps, when it is opened
        and when a run is entered.
        """
        ...

    def questions(self) -> Iterator[tuple[str, bytes]]:
        """Iterate fingerprint and question of everything stored, in the order of fingerprints."""
        ...

    def samples(self, fingerprint: str) -> Iterator[tuple[int, Sample]]:
        """Iterate index and sample of *fingerprint*, by index; unfilled slots are left out."""
        ...

    def summary(self) -> StoreSummary:
        """Return totals."""
        ...

    def verify(self) -> Iterator[str]:
        """Check every record; iterate one sentence per damage found."""
        ...

    def close(self) -> None:
        """Write what is pending and let go of files. Safe to call twice."""
        ...
