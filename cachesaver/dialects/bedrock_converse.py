"""Bedrock's Converse and ConverseStream: one question, one message, for all its models.

Tables first. A field belongs into `volatile` only if AWS documents that it does not shape the answer.
How a message is streamed is in `converse_stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import bedrock, converse_stream, forms
from cachesaver.dialects.bedrock import BedrockDialect
from cachesaver.exchange import Request, Response

__all__ = ["Converse", "ConverseApart"]

_REFERENCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
_TIERS = "https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html"

_ROLES = frozenset({"user", "assistant", "system"})

_POINTERS = "additionalModelResponseFieldPaths"


class ConverseApart(BedrockDialect):
    """Where the request points into the model's own body, which a stream has in other pieces.

    Recorded: `/delta/stop_sequence` in a stream is `/stop_sequence` in a whole answer. So the two
    forms are two questions.
    """

    name = "bedrock.converse.apart"
    endpoints = (r"/model/[^/]+/converse", r"/model/[^/]+/converse-stream")
    last_event = "metadata"

    volatile = MappingProxyType(
        {
            "requestMetadata": f"to filter logs of invocations by; {_REFERENCE}",
            "serviceTier": f"price and latency of the same model; {_TIERS}",
        }
    )

    # Not here: an empty `system`; `performanceConfig` and `projectIdentifier`, of which it is not
    # documented that they do not shape the answer; cache points, which are blocks of their own.
    defaults = MappingProxyType(
        {
            # All its members are optional, and each has a default of its own:
            # .../bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
            "inferenceConfig": dict[str, object](),
        }
    )

    def asks(self, request: Request, body: Mapping[str, object]) -> bool:
        return _has_messages(body) and bool(body.get(_POINTERS))

    def ends_well(self, events: list[tuple[str, dict[str, object]]]) -> bool:
        return converse_stream.is_whole(events)

    def answers(self, body: Mapping[str, object]) -> bool:
        message = bedrock.object_of(body.get("output")).get("message")
        return forms.is_object(message) and isinstance(body.get("stopReason"), str)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        if self.streamed(response):
            told = [e for n, e in bedrock.events_of(response, dialect=self.name) if n == "metadata"]
            body: Mapping[str, object] = told[-1] if told else {}
        else:
            body = forms.read_object(response, dialect=self.name)
        return "", bedrock.object_of(body.get("usage"))


class Converse(ConverseApart):
    """One request, one message; whole and streamed are two forms of it."""

    name = converse_stream.NAME
    converts = True

    def asks(self, request: Request, body: Mapping[str, object]) -> bool:
        return _has_messages(body) and not body.get(_POINTERS)

    def target(self, path: str, query: str) -> tuple[str, str]:
        return path.removesuffix("-stream"), query

    def whole(self, response: Response) -> Response:
        events = bedrock.events_of(response, dialect=self.name)
        return forms.json_document(response, converse_stream.response_of(events), dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        whole = forms.read_object(response, dialect=self.name)
        events = converse_stream.events_of_response(whole)
        return bedrock.event_stream(response, events, dialect=self.name)


def _has_messages(body: Mapping[str, object]) -> bool:
    messages = body.get("messages")
    return forms.is_list(messages) and bool(messages) and all(map(_is_turn, messages))


def _is_turn(message: object) -> bool:
    return (
        forms.is_object(message)
        and isinstance(role := message.get("role"), str)
        and role in _ROLES
        and forms.is_list(message.get("content"))
    )
