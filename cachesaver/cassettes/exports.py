"""Interactions as other tools keep them: vcrpy's cassettes, in YAML and JSON, and HTTP archives.

What they cannot hold is gone: when the parts of a stream arrived, and that an answer may be drawn once
only. Credentials are blanked, wherever the interactions come from. Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.cassettes.format import VERSION
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.cassettes.scanning import secrets_in_header
from cachesaver.credentials import PERHAPS_SECRET, is_secret
from cachesaver.encoding import decoded
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Headers, Request, Response
from cachesaver.redaction import BLANK, redact_headers, redact_response, redact_text, secrets_in

__all__ = ["WRITERS", "har", "redacted", "vcrpy_json", "vcrpy_yaml"]


def vcrpy_yaml(interactions: Iterable[Interaction]) -> bytes:
    """Return a cassette of vcrpy in YAML, as vcrpy writes it; vcrpy 4 to 9 read it.

    Raises:
        ConfigurationError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigurationError(
            "writing YAML needs the package PyYAML, which is not installed here: run "
            "pip install 'cachesaver[yaml]'"
        ) from error
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(_vcrpy(interactions), Dumper=dumper)
    return text.encode()


def vcrpy_json(interactions: Iterable[Interaction]) -> bytes:
    """Return a cassette of vcrpy in JSON.

    Raises:
        ConfigurationError: A body is no text, which vcrpy's JSON cannot hold.
    """
    try:
        return (json.dumps(_vcrpy(interactions), indent=4) + "\n").encode()
    except TypeError as error:
        raise ConfigurationError(
            "a body is no text, and vcrpy's JSON holds text only: write YAML (name a file that "
            "ends in .yaml)"
        ) from error


def _vcrpy(interactions: Iterable[Interaction]) -> dict[str, object]:
    return {"interactions": [_recorded(redacted(each)) for each in interactions], "version": 1}


def _recorded(each: Interaction) -> dict[str, object]:
    request, response = each.request, each.response
    headers = (*response.headers, ("content-length", str(len(response.body))))
    return {
        "request": {
            "body": _text(request.body) if request.body else None,
            "headers": _listed(request.headers),
            "method": request.method,
            "uri": request.url,
        },
        "response": {
            "body": {"string": _text(response.body)},
            "headers": _listed(headers),
            "status": {"code": response.status, "message": response.reason},
        },
    }


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _listed(headers: Headers) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


# --- http://www.softwareishard.com/blog/har-12-spec


def har(interactions: Iterable[Interaction]) -> bytes:
    """Return an HTTP archive (HAR 1.2)."""
    creator = {"name": "cachesaver cassette", "version": str(VERSION)}
    entries = [_entry(redacted(each)) for each in interactions]
    log = {"version": "1.2", "creator": creator, "entries": entries}
    return (json.dumps({"log": log}, indent=2, ensure_ascii=False) + "\n").encode(
        "utf-8", "surrogatepass"
    )


def _entry(each: Interaction) -> dict[str, object]:
    waited = round(each.response.offsets[0] * 1000, 3) if each.response.offsets else 0
    took = round(each.response.offsets[-1] * 1000, 3) if each.response.offsets else 0
    return {
        "startedDateTime": each.recorded or "1970-01-01T00:00:00.000Z",
        "time": took,
        "request": _asked(each.request),
        "response": _told(each),
        "cache": {},
        "timings": {"send": 0, "wait": waited, "receive": round(took - waited, 3)},
    }


def _asked(request: Request) -> dict[str, object]:
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    shown: dict[str, object] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": "HTTP/1.1",
        "cookies": list[object](),
        "headers": _pairs(request.headers),
        "queryString": _pairs(query),
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    if request.body:
        kind = request.header("content-type") or ""
        shown["postData"] = {"mimeType": kind, **_content(request.body)}
    return shown


def _told(each: Interaction) -> dict[str, object]:
    response = each.response
    body = {"size": len(response.body), "mimeType": response.header("content-type") or ""}
    return {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": "HTTP/1.1",
        "cookies": list[object](),
        "headers": _pairs(response.headers),
        "content": body | (_content(response.body) if response.body else {}),
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": len(response.body),
    }


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _content(body: bytes) -> dict[str, str]:
    text = _text(body)
    if isinstance(text, str):
        return {"text": text}
    return {"text": base64.b64encode(text).decode(), "encoding": "base64"}


WRITERS: Final[Mapping[str, Callable[[Iterable[Interaction]], bytes]]] = MappingProxyType(
    {"vcrpy": vcrpy_yaml, "vcrpy-json": vcrpy_json, "har": har}
)
"""By the name of the format."""


# --- credentials


def redacted(interaction: Interaction) -> Interaction:
    """Return *interaction* without credentials, and with the answer's body decoded."""
    request = interaction.request
    kept = redact_response(interaction.response, request)
    told = _without_secrets(decoded(kept) or kept, request)
    asked = _redacted_request(request)
    return replace(
        interaction,
        request=replace(
            asked, url=_redacted_url(request.url), headers=_redacted_headers(asked.headers)
        ),
        response=replace(told, headers=_redacted_headers(told.headers)),
    )


def _redacted_request(request: Request) -> Request:
    """Return *request* with the credentials in its body blanked, which is decoded for it."""
    sent = Response(status=200, headers=request.headers, chunks=(request.body,))
    plain = decoded(sent) or sent
    start = b"form\n" if (request.header("content-type") or "").startswith(_FORM) else b""
    body = redact_text(start + plain.body, request).removeprefix(start)
    return request if body == plain.body else replace(request, headers=plain.headers, body=body)


_FORM: Final = "application/x-www-form"


def _without_secrets(response: Response, request: Request) -> Response:
    """Return *response* with every secret blanked, where it is no model's that may write some itself."""
    if dialects.recognise(request, parse_body(request).members) is not None:
        return response
    body = redact_text(response.body, request)
    if body == response.body:
        return response
    return replace(response, chunks=(body,), offsets=response.offsets[-1:])


def _redacted_headers(headers: Headers) -> Headers:
    return tuple((name, _redacted_header(value)) for name, value in redact_headers(headers))


def _redacted_header(value: str) -> str:
    told = value.encode("latin-1", "replace")
    secrets = {secret for _, secret in secrets_in_header(told)}
    for secret in sorted(secrets, key=len, reverse=True):
        told = told.replace(secret, BLANK)
    return told.decode("latin-1") if secrets else value


def _redacted_url(url: str) -> str:
    """Return *url* without userinfo, and with the credentials in its query blanked."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    pairs = [_redacted_pair(pair, host) for pair in parts.query.split("&")]
    netloc = parts.netloc.rpartition("@")[2]
    told = urlunsplit(parts._replace(netloc=netloc, query="&".join(pairs)))
    for _, secret in secrets_in(told.encode()):
        told = told.replace(secret.decode(), _BLANK_IN_URL)
    return told


def _redacted_pair(pair: str, host: str) -> str:
    field, _, value = pair.partition("=")
    name = unquote(field).lower()
    if value and (name in PERHAPS_SECRET or is_secret(name, host)):
        return f"{field}={_BLANK_IN_URL}"
    return pair


_BLANK_IN_URL: Final = BLANK.decode().strip("[]")
