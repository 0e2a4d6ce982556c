"""Cassettes in YAML: vcrpy and the dialects that grew from it, Ruby's VCR, rig's when and then.

Nothing in a file is executed: of Python's tags only those that stand for a text are known, and
they become that text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from cachesaver.exchange import Headers
from recordings.values import Pair, as_bytes, as_headers, as_request, as_response

__all__ = ["rig", "ruby_vcr", "vcrpy"]


class _Loader(yaml.CSafeLoader):
    """YAML's plain values, and headers' names as multidict and aiohttp had them."""


def _text(loader: Any, node: yaml.Node) -> str:
    """The one text that a `multidict.istr` was made from."""
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.YAMLError(f"{node.tag} is not made from a list")
    (text,) = loader.construct_sequence(node)
    return str(text)


def _binary(loader: Any, node: yaml.Node) -> bytes:
    content: bytes = loader.construct_yaml_binary(node)
    return content


for _made in ("new", "apply"):
    for _module in ("multidict._multidict", "multidict._multidict_py", "multidict"):
        _tag = f"tag:yaml.org,2002:python/object/{_made}:{_module}.istr"
        _Loader.add_constructor(_tag, _text)
_Loader.add_constructor("!binary", _binary)  # as Ruby spells YAML's tag


def _documents(content: bytes) -> Iterator[Any]:
    return yaml.load_all(content, _Loader)


def vcrpy(content: bytes, name: str) -> Iterator[Pair]:
    """Read vcrpy's format in all its dialects.

    One list of interactions, or two of requests and responses; bodies as text, as binary, under
    `string`, parsed, or (vcrpy 4 and 5 with httpx) the response's under `content`.
    """
    (cassette,) = _documents(content)
    both = [(each["request"], each["response"]) for each in cassette.get("interactions", ())]
    both += zip(cassette.get("requests", ()), cassette.get("responses", ()), strict=True)
    for asked, told in both:
        status: dict[str, Any] = told.get("status") or {"code": told["status_code"]}
        yield (
            as_request(asked["method"], asked["uri"], _headers_of(asked), _body_of(asked)),
            as_response(
                status["code"], _headers_of(told), _body_of(told), status.get("message") or ""
            ),
        )


def _headers_of(side: dict[str, Any]) -> Headers:
    headers: dict[str, object] = side["headers"] or {}
    return as_headers(headers.items())


def _body_of(side: dict[str, Any]) -> bytes:
    if "parsed_body" in side:
        return as_bytes(side["parsed_body"])
    body = side["content"] if "content" in side else side["body"]
    return as_bytes(body["string"] if isinstance(body, dict) and "string" in body else body)  # pyright: ignore[reportUnknownArgumentType]


def ruby_vcr(content: bytes, name: str) -> Iterator[Pair]:
    """Read the format of Ruby's VCR: the same in other words, bodies with an encoding."""
    (cassette,) = _documents(content)
    for each in cassette["http_interactions"]:
        asked, told = each["request"], each["response"]
        yield (
            as_request(asked["method"], asked["uri"], _headers_of(asked), _ruby_body(asked)),
            as_response(
                told["status"]["code"],
                _headers_of(told),
                _ruby_body(told),
                told["status"]["message"] or "",
            ),
        )


def _ruby_body(side: dict[str, Any]) -> bytes:
    body = side.get("body") or {"string": ""}
    if "base64_string" in body:
        return base64.b64decode(body["base64_string"])
    return as_bytes(body["string"])


ORIGINS = {
    # rig records paths behind a base URL that each provider's client has by default.
    # https://github.com/0xPlaygrounds/rig (the providers' modules)
    "anthropic": "https://api.anthropic.com",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "chatgpt": "https://chatgpt.com",
    "cohere": "https://api.cohere.ai",
    "copilot": "https://api.githubcopilot.com",
    "deepseek": "https://api.deepseek.com",
    "doubleword": "https://api.doubleword.ai",
    "gemini": "https://generativelanguage.googleapis.com",
    "groq": "https://api.groq.com",
    "llamacpp": "http://localhost:8080",
    "mistral": "https://api.mistral.ai",
    "mistralrs": "http://localhost:1234",
    "ollama": "http://localhost:11434",
    "openai": "https://api.openai.com",
    "openrouter": "https://openrouter.ai",
    "perplexity": "https://api.perplexity.ai",
    "venice": "https://api.venice.ai",
    "xai": "https://api.x.ai",
}


def rig(content: bytes, name: str) -> Iterator[Pair]:
    """Read rig's documents of `when` and `then`; the folder of *name* says which provider it is."""
    origin = ORIGINS[name.split("/")[3]]
    for document in _documents(content):
        asked, told = document["when"], document["then"]
        query = urlencode([(p["name"], p["value"]) for p in asked["query_param"] or ()])
        path = quote(asked["path"], safe="/%:@!$&'()*+,;=~")
        url = f"{origin}{path}?{query}" if query else f"{origin}{path}"
        body = told["body"]
        coded = told.get("body_encoding") == "base64"
        yield (
            as_request(asked["method"], url, _rig_headers(asked), as_bytes(asked["body"])),
            as_response(
                told["status"],
                _rig_headers(told),
                base64.b64decode(body) if coded else as_bytes(body),
            ),
        )


def _rig_headers(side: dict[str, Any]) -> Headers:
    return as_headers([(pair["name"], pair["value"]) for pair in side["header"] or ()])
