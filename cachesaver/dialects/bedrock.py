"""What all of Amazon Bedrock's runtime shares: who is asked, how a stream is told, when it ends.

A request is Bedrock's when it goes to one of its hosts, or is signed for its service, whichever host
it goes to. A signed request is never changed: its signature holds for its very bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import unquote

from cachesaver.dialects import aws_events, forms
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.hosts import path_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = [
    "HOSTS",
    "BedrockDialect",
    "event_stream",
    "events_of",
    "is_signed_for_bedrock",
    "model_of",
    "object_of",
]

Object = dict[str, object]

HOSTS = (
    # https://docs.aws.amazon.com/general/latest/gr/bedrock.html, botocore's endpoint rules (regions,
    # FIPS, dual stack, partitions) and https://docs.aws.amazon.com/bedrock/latest/userguide/usingVPC.html
    r"(?:vpce-[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.[a-z0-9-]+\."
    r"(?:(?:vpce\.)?amazonaws\.(?:com(?:\.cn)?|eu)|api\.aws|api\.amazonwebservices\.(?:com\.cn|eu)):443"
)

_SCOPE = re.compile(r"AWS4-[\w-]+ .*?Credential=[^,\s]+/bedrock/aws4_request\b", re.DOTALL)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html: the credential's scope
names the service that the signature is for; Bedrock's runtime signs as `bedrock`."""

_MODEL = re.compile(r"/model/([^/]+)/")


class BedrockDialect(BaseDialect):
    """One operation of the runtime.

    Args:
        signed: Whether it is told by its signature, on any host, and not by its host.
    """

    last_event: ClassVar[str] = ""
    """The event that ends a stream; empty where only the end of the body tells."""

    def __init__(self, *, signed: bool = False) -> None:
        self._signed = signed
        self.hosts = "" if signed else HOSTS

    def __repr__(self) -> str:
        return f"{type(self).__name__}(signed={self._signed})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (not self._signed or is_signed_for_bedrock(request)) and self.asks(request, body)

    def asks(self, request: Request, body: Mapping[str, object]) -> bool:
        """Tell whether *request* is of this operation, once it is known to be Bedrock's."""
        return False

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return path_of(request.url).endswith("-stream")

    def streamed(self, response: Response) -> bool:
        first = forms.first_byte(response)
        return first == b"\0" if first else response.content_type == aws_events.MEDIA_TYPE

    def sound(self, response: Response) -> bool:
        try:
            if self.streamed(response):
                return self.ends_well(events_of(response, dialect=self.name))
            return self.answers(forms.read_object(response, dialect=self.name))
        except DialectError:
            return False

    def ends_well(self, events: list[tuple[str, Object]]) -> bool:
        """Tell whether *events* are a whole stream."""
        return bool(events) and self.is_last(*events[-1])

    def answers(self, body: Mapping[str, object]) -> bool:
        """Tell whether *body*, of a whole response, holds an answer."""
        return False

    def finished(self, tail: bytes) -> bool:
        frame = aws_events.last(tail)
        try:
            return frame is not None and self.is_last(*_event(frame, self.name))
        except DialectError:
            return False

    def is_last(self, name: str, event: Mapping[str, object]) -> bool:
        """Tell whether *event* is a stream's last word."""
        return name == self.last_event


def is_signed_for_bedrock(request: Request) -> bool:
    """Tell whether *request* carries a signature (SigV4) for Bedrock."""
    return _SCOPE.match(request.header("authorization") or "") is not None


def model_of(request: Request) -> str:
    """Return the model, or the ARN of what stands for one, that the path of *request* names."""
    found = _MODEL.search(path_of(request.url))
    return unquote(found[1]) if found else ""


def events_of(response: Response, *, dialect: str) -> list[tuple[str, Object]]:
    """Return name and content of each event of the stream *response*, its padding left out.

    Raises:
        DialectError: It breaks off, is damaged, or says that something went wrong.
    """
    return [_event(frame, dialect) for frame in aws_events.decode(response.body)]


def event_stream(
    like: Response, events: Iterable[tuple[str, Mapping[str, object]]], *, dialect: str
) -> Response:
    """Return *events* (name and content), one chunk each, as a stream like *like*."""
    chunks = tuple(
        aws_events.encode(aws_events.event(name, forms.write_json(event, dialect=dialect)))
        for name, event in events
    )
    return forms.rebuilt(like, chunks, aws_events.MEDIA_TYPE)


def object_of(value: object) -> Mapping[str, object]:
    """Return *value* where it is a JSON object; else an empty one."""
    return value if forms.is_object(value) else MappingProxyType({})


def _event(frame: aws_events.Frame, dialect: str) -> tuple[str, Object]:
    if not frame.is_event:
        raise DialectError("the stream says that something went wrong", dialect=dialect)
    try:
        content = forms.read_json(frame.payload.decode(), dialect=dialect)
    except UnicodeDecodeError as error:
        raise DialectError("an event is not UTF-8", dialect=dialect) from error
    if not forms.is_object(content):
        raise DialectError("an event is not a JSON object", dialect=dialect)
    content.pop("p", None)  # padding against the guessing of lengths
    return frame.text(":event-type"), content
