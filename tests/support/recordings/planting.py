"""Credentials made up and planted into requests and answers, for seeing that none is kept.

The tables here are the tests' own: what `cachesaver.redaction` calls secret is what is tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlsplit

from cachesaver.exchange import Request, Response
from recordings.values import Exchange

__all__ = ["PLANTED", "carried", "planted", "with_credentials"]

_HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_TOKENS = (
    "sk-proj-Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIzNDU2Nzg5",
    "sk-ant-api03-Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIzNDU2Nzg5",
    "AIzaSyQm9ndXNLZXlGb3JUZXN0c09ubHkwMTIzN",
    "gsk_Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIz",
    "hf_Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIz",
    "xai-Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIz",
    "AKIAQM9NDXNLZXLGB3JU",
    "ghp_Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIzNDU2Nzg5",
    "ya29.Qm9ndXNLZXlGb3JUZXN0c09ubHkwMTIz",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.Qm9ndXNTaWduYXR1cmU",
)
"""Shapes that speak for themselves, wherever they stand in a request."""

_HEADERS = {
    "Authorization": "Bearer planted-bearer-2e5b61c0",
    "authorization": (
        "AWS4-HMAC-SHA256 Credential=AKIAZPLANTEDSIGV4KEY/20250101/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={_HEX}"
    ),
    "Proxy-Authorization": "Basic cGxhbnRlZDpwcm94eS1wYXNzd29yZA==",
    "Cookie": "session=planted-cookie-77ab01; theme=dark",
    "X-Api-Key": "planted-x-api-key-5c11",
    "api-key": "planted-azure-key-0b7d",
    "x-goog-api-key": "planted-goog-key-81f4",
    "X-Amz-Security-Token": "planted-sts-token-3d90",
}

_QUERY = {
    "key": "planted-query-key-6e02",
    "access_token": "planted-access-token-a41c",
    "api_key": "planted-query-api_key-19e7",
    "sig": "planted+sig/5f==",
    "X-Amz-Signature": _HEX[::-1],
    "X-Amz-Credential": "AKIAYPLANTEDQUERYKEY/20250101",
}

_USER, _PASSWORD = "planted-user-44d1", "planted:password-b3"

PLANTED: tuple[bytes, ...] = tuple(
    text.encode()
    for text in (
        *_TOKENS,
        "planted-bearer-2e5b61c0",
        "AKIAZPLANTEDSIGV4KEY",
        _HEX,
        "cGxhbnRlZDpwcm94eS1wYXNzd29yZA==",
        "planted-cookie-77ab01",
        *_QUERY.values(),
        *(quote(value, safe="") for value in _QUERY.values()),
        *(value for name, value in _HEADERS.items() if name.lower().endswith(("key", "token"))),
        _USER,
        _PASSWORD,
        quote(_PASSWORD, safe=""),
        "planted-set-cookie-0c8e",
    )
)
"""All that may be found nowhere afterwards."""

_SECRET_HEADERS = frozenset(name.lower() for name in _HEADERS)
_SECRET_QUERY = frozenset(name.lower() for name in _QUERY)


def planted(exchange: Exchange) -> Exchange:
    """Return *exchange* with credentials in headers, query, userinfo and body, and an echo of one.

    Its own go where they are placeholders that stand in the answer too: a key that is a word of the
    answer could not be kept out of it.
    """
    request = exchange.request
    if request is None:
        return exchange
    kept = tuple(pair for pair in request.headers if not _is_common(*pair, exchange.response))
    asked = with_credentials(replace(request, headers=kept, body=_with_tokens(request.body)))
    echoing = (("x-echo", _HEADERS["Authorization"]), ("set-cookie", "s=planted-set-cookie-0c8e"))
    return replace(
        exchange,
        request=asked,
        response=replace(exchange.response, headers=(*exchange.response.headers, *echoing)),
    )


def with_credentials(request: Request) -> Request:
    """Return *request* with the planted credentials in its headers, query and userinfo."""
    scheme, _, rest = request.url.partition("://")
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in _QUERY.items())
    joint = "&" if "?" in rest else "?"
    url = f"{scheme}://{_USER}:{quote(_PASSWORD, safe='')}@{rest}{joint}{query}"
    return replace(request, url=url, headers=(*request.headers, *_HEADERS.items()))


def carried(exchanges: Iterable[Exchange]) -> set[bytes]:
    """Return the credentials that recorded requests carry and that are no words of any text.

    Eight characters or more: what is shorter is a placeholder ("test") for us, too.
    """
    told = b"\n".join(
        part
        for exchange in exchanges
        for part in (exchange.response.body, repr(exchange.response.headers).encode())
    )
    told += b"\n".join(each.request.body for each in exchanges if each.request is not None)
    found = {secret for each in exchanges if each.request for secret in _secrets(each.request)}
    return {each.encode() for each in found if len(each) >= 8 and each.encode() not in told}


def _secrets(request: Request) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() in _SECRET_HEADERS:
            yield value
            yield value.rpartition(" ")[2]
    for name, value in parse_qsl(urlsplit(request.url).query):
        if name.lower() in _SECRET_QUERY:
            yield value


def _is_common(name: str, value: str, response: Response) -> bool:
    if name.lower() not in _SECRET_HEADERS:
        return False
    text = repr(response.headers).encode() + response.body
    return any(part.encode() in text for part in (value, value.rpartition(" ")[2]) if part)


def _with_tokens(body: bytes) -> bytes:
    """*body* with a member full of tokens, where it is a JSON object."""
    try:
        asked: object = json.loads(body)
    except ValueError:
        return body
    if not isinstance(asked, dict) or not asked:
        return body
    member = json.dumps({"planted": " ".join(_TOKENS)}).encode()
    return member[:-1] + b"," + body.lstrip()[1:]
