"""What a call may cost, before it is made: a bound rather than a guess, from its request alone.

Tables with sources, and no tokenizer: a provider's own is not there before the call. What cannot be
seen in the body (an earlier answer referred to by its id, a file uploaded before) is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast
from urllib.parse import unquote, urlsplit

__all__ = [
    "BYTES_PER_TOKEN",
    "LIMITS",
    "MEDIUM_TOKENS",
    "MODEL_PATHS",
    "Estimate",
    "estimated",
    "model_of",
]

BYTES_PER_TOKEN = 3
"""Of UTF-8 text. English has about 4 (https://help.openai.com/en/articles/4936856), code and most
other scripts about 3; the names and braces of JSON around the text are counted as text."""

MEDIUM_TOKENS = 2000
"""For each image, recording or document that is sent or pointed to. An image is 258 to 1600 tokens
at most models (https://ai.google.dev/gemini-api/docs/tokens,
https://docs.anthropic.com/en/docs/build-with-claude/vision); a long document can be far more."""

LIMITS = (
    # Where a body bounds the answer, in tokens of one sample.
    ("max_completion_tokens",),  # https://platform.openai.com/docs/api-reference/chat/create
    ("max_tokens",),  # the same, older; https://docs.anthropic.com/en/api/messages
    ("max_tokens_to_sample",),  # https://docs.anthropic.com/en/api/complete
    ("max_output_tokens",),  # https://platform.openai.com/docs/api-reference/responses/create
    # https://ai.google.dev/api/generate-content#generationconfig; proto JSON takes both spellings
    ("generationConfig", "maxOutputTokens"),
    ("generationConfig", "max_output_tokens"),
    ("generation_config", "maxOutputTokens"),
    ("generation_config", "max_output_tokens"),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
    ("inferenceConfig", "maxTokens"),
    # …/userguide/model-parameters-….html: Nova, Llama, Titan, older Claude, AI21 by InvokeModel
    ("inferenceConfig", "max_new_tokens"),
    ("max_gen_len",),
    ("textGenerationConfig", "maxTokenCount"),
    ("max_tokens_to_sample",),
    ("maxTokens",),
    ("options", "num_predict"),  # https://github.com/ollama/ollama/blob/main/docs/modelfile.md
    ("parameters", "max_new_tokens"),  # https://huggingface.co/docs/text-generation-inference
    ("max_new_tokens",),  # SGLang and others that follow it
)

MODEL_PATHS = (
    # Where the path names the model, and the body does not.
    re.compile(r"/models/([^/:]+):\w+$"),  # https://ai.google.dev/api/generate-content
    # https://learn.microsoft.com/azure/ai-foundry/openai/reference: the name of a deployment
    re.compile(r"/deployments/([^/]+)/"),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    re.compile(r"/model/([^/]+)/(?:converse|invoke)"),
)

_ANSWERLESS = re.compile(
    r"/(?:embed(?:dings)?|rerank(?:ing)?|(?:de)?tokenize|moderations|count[_-]tokens|input_tokens)$"
    r"|/model/[^/]*(?:embed|rerank)[^/]*/invoke$"
    r"|:(?:embedContent|batchEmbedContents|countTokens|computeTokens)$"
    r"|/publishers/google/models/[^/:]*embedding[^/:]*:predict$"
    r"|/publishers/anthropic/models/count-tokens:rawPredict$"
)
"""Ends of paths that write no answer: the same references."""

_MEDIA = frozenset(
    {
        # Members that hold or point to a medium.
        "image_url", "input_audio", "file_data", "file_id",  # OpenAI
        "inlineData", "inline_data", "fileData",  # Gemini
    }
)  # fmt: skip
_MEDIA_ALONE = ({"bytes"}, {"s3Location"})
"""Bedrock's `source`: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageSource.html."""
_MEDIA_TYPES = frozenset({"base64", "url", "file"})
"""Types of Anthropic's `source`: https://docs.anthropic.com/en/api/messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one call asks for, and may cost.

    Attributes:
        model: As the request names it; may be empty.
        url: It goes to, without userinfo and query; may be empty.
        samples: It asks for; at least 1.
        prompt: Tokens of the prompt, rather more than fewer; paid once, for all samples.
        answer: The most tokens one sample may have; None where the request sets no bound.
    """

    model: str = ""
    url: str = ""
    samples: int = 1
    prompt: int = 0
    answer: int | None = None


def estimated(body: Mapping[str, object], *, samples: int = 1, url: str = "") -> Estimate:
    """Return what the request to *url* with the JSON object *body* may cost.

    Args:
        body: Parsed; of any provider. Empty where the body is no JSON object.
        samples: Asked for by this call, which may be fewer than the program asked for.
        url: Absolute; its query does not matter.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return Estimate(
        model=_model(body, parts.path),
        url=f"{parts.scheme}://{host}{parts.path}" if host else "",
        samples=samples,
        prompt=_tokens(body),
        answer=0 if _ANSWERLESS.search(parts.path) else _limit(body),
    )


def model_of(body: Mapping[str, object], url: str) -> str:
    """Return the model that a request to *url* with *body* names; empty if it names none."""
    return _model(body, urlsplit(url).path)


def _model(body: Mapping[str, object], path: str) -> str:
    named = body.get("model")
    if isinstance(named, str) and named:
        return named.removeprefix("models/")
    found = next((found for each in MODEL_PATHS if (found := each.search(path))), None)
    return unquote(found[1]) if found else ""


def _limit(body: Mapping[str, object]) -> int | None:
    """The largest, where several are set: what counts then is the provider's to decide."""
    return max((limit for path in LIMITS if (limit := _at(body, path)) is not None), default=None)


def _at(body: object, path: Sequence[str]) -> int | None:
    found = body
    for name in path:
        found = (
            cast("Mapping[str, object]", found).get(name) if isinstance(found, Mapping) else None
        )
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < _BOUND:
        return None
    return ceil(found)


_BOUND = 10**9
"""A larger limit, or none (-1 at some), bounds nothing."""


def _tokens(body: object) -> int:
    """Count without recursion: bodies are nested as deep as their authors like."""
    size, media, numbers, todo = 0, 0, 0, [body]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            if part.startswith("data:") and ";base64," in part[:200]:
                media += 1
            else:
                size += len(part.encode("utf-8", "replace"))
        elif isinstance(part, Mapping):
            members = cast("Mapping[str, object]", part)
            size += sum(len(name) + 1 for name in members)
            if _is_medium(members):
                media += 1
            else:
                todo.extend(members.values())
        elif isinstance(part, list | tuple):
            todo.extend(cast("Sequence[object]", part))
        elif part is not None and not isinstance(part, bool):
            numbers += 1  # a prompt may be a list of tokens
    return ceil(size / BYTES_PER_TOKEN) + media * MEDIUM_TOKENS + numbers


def _is_medium(members: Mapping[str, object]) -> bool:
    kind = members.get("type")
    if isinstance(kind, str) and kind in _MEDIA_TYPES and ("data" in members or len(members) == 2):  # noqa: PLR2004  # the type and where
        return True
    return not _MEDIA.isdisjoint(members) or set(members) in _MEDIA_ALONE
