"""Headers of an API that nobody reads: which of them are transport. Pure.

A header is noise only if no server answers another question for it; in doubt it is not, which costs a
call. It counts by a digest, for it may be a credential that we do not know for one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cachesaver.credentials import ACCOUNT_HEADERS, SECRET_HEADERS
from cachesaver.exchange import Request

__all__ = ["NOISE", "NOISE_FAMILIES", "SAYS_NOTHING", "digest", "unread_names"]

NOISE = frozenset(
    {
        # RFC 9110 and 9112: how the message travels; what the body is, the body tells
        *("connection", "content-encoding", "content-length", "content-type", "date", "expect"),
        *("host", "keep-alive", "max-forwards", "te", "trailer", "transfer-encoding", "upgrade"),
        *("accept-encoding", "user-agent", "via", "from", "referer"),
        *("cache-control", "pragma", "age", "expires"),  # RFC 9111: about caches on the way
        *("forwarded", "priority"),  # RFC 7239, RFC 9218
        "origin",  # RFC 6454: a browser's page
        "dnt",  # https://www.w3.org/TR/tracking-dnt/
        *("traceparent", "tracestate", "baggage"),  # https://www.w3.org/TR/trace-context/
        *("b3", "sentry-trace", "uber-trace-id", "x-cloud-trace-context", "x-amzn-trace-id"),
        *("request-id", "x-request-id", "x-correlation-id", "x-client-request-id"),
        *("x-request-start", "x-real-ip"),  # proxies
        # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
        *("idempotency-key", "x-idempotency-key"),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore's retries
        *("x-amz-date", "x-amz-content-sha256", "x-amz-user-agent"),
        *("amz-sdk-invocation-id", "amz-sdk-request"),
        "x-goog-api-client",  # https://google.aip.dev/client-libraries: the SDK's version
        *SECRET_HEADERS,
        *ACCOUNT_HEADERS,
    }
)
"""Lower case."""

NOISE_FAMILIES = (
    r"x-stainless-.*",  # Stainless' SDKs: platform, version, number of the retry
    r"x-cachesaver-.*",  # ours
    r"x-b3-.*",  # https://github.com/openzipkin/b3-propagation
    r"x-datadog-.*",  # https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation
    r"x-forwarded-.*",  # proxies, before RFC 7239
    r"sec-(?:fetch|ch)-.*",  # https://www.w3.org/TR/fetch-metadata/ and client hints
)
_FAMILIES = re.compile("|".join(NOISE_FAMILIES))

SAYS_NOTHING: Mapping[str, str] = MappingProxyType({"accept": "*/*"})
"""Headers and what they mean where they are left out: RFC 9110, section 12.5.1."""


def unread_names(request: Request) -> Iterator[str]:
    """Iterate the headers of *request* that may shape the answer of an unknown API, lower case."""
    for name in request.header_names:
        if name in NOISE or _FAMILIES.fullmatch(name):
            continue
        if name not in SAYS_NOTHING or request.header(name) != SAYS_NOTHING[name]:
            yield name


def digest(value: str) -> str:
    """Return what tells *value* from others and does not tell it: 16 hex digits."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]
