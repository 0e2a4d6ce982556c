"""What servers of one's own count and compare by themselves: tokenizers, and vLLM's scores.

Every field of a request has to be known, for vaults that replace secrets by tokens have the same
paths. vLLM's /pooling and /classify have no field that tells them from anybody's, and pass through.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import forms
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.forms import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["LocalTokens", "VllmScore"]

_ANYBODYS = frozenset({"content", "inputs"})
"""Texts that are an LLM's only where a field of its own stands beside them."""

_TOKENIZE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # The field with the text, and all the others.
        #
        # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api
        "prompt": frozenset({"model", "add_special_tokens", "return_token_strs"}),
        "messages": frozenset(
            {
                *("model", "add_generation_prompt", "continue_final_message", "add_special_tokens"),
                *("return_token_strs", "chat_template", "chat_template_kwargs", "tools"),
                "mm_processor_kwargs",
            }
        ),
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (/tokenize)
        "content": frozenset({"add_special", "parse_special", "with_pieces"}),
        # https://huggingface.github.io/text-embeddings-inference (/tokenize)
        "inputs": frozenset({"add_special_tokens", "prompt_name"}),
    }
)


class LocalTokens(BaseDialect):
    """`/tokenize` and `/detokenize` of vLLM, llama.cpp and text-embeddings-inference."""

    name = "local.tokens"
    # Not Cohere's, which are versioned.
    endpoints = (r"(?<!/v1)/tokenize", r"(?<!/v1)/detokenize")
    deterministic = True
    null_is_absent = True
    # The same pages: pieces are told to who asks for them.
    defaults: Mapping[str, object] = MappingProxyType(
        {"return_token_strs": False, "with_pieces": False}
    )

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return _is_tokens(body) or any(_fits(body, *row) for row in _TOKENIZE.items())

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            answers = forms.read_json(response.body.decode(), dialect=self.name)
        except (DialectError, UnicodeDecodeError):
            return False
        if not is_object(answers):
            return is_list(answers) and bool(answers) and all(map(is_list, answers))
        said = (answers.get("tokens"), answers.get("prompt"), answers.get("content"))
        return not answers.get("error") and any(isinstance(each, str | list) for each in said)


class VllmScore(BaseDialect):
    """How alike two texts, or two lists of texts, are."""

    name = "vllm.score"
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#score-api
    endpoints = (r"/score",)
    deterministic = True
    null_is_absent = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return isinstance(body.get("model"), str) and all(
            isinstance(body.get(name), str | list) and bool(body[name])
            for name in ("text_1", "text_2")
        )

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            answer = forms.read_object(response, dialect=self.name)
        except DialectError:
            return False
        scores = answer.get("data")
        return (
            not answer.get("error")
            and is_list(scores)
            and bool(scores)
            and all(
                is_object(each) and isinstance(each.get("score"), float | int) for each in scores
            )
        )

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        answer = forms.read_object(response, dialect=self.name)
        model, usage = answer.get("model"), answer.get("usage")
        return (
            model if isinstance(model, str) else "",
            MappingProxyType(usage if is_object(usage) else {}),
        )


def _is_tokens(body: Mapping[str, object]) -> bool:
    """Whether they are vLLM's; llama.cpp's name no model, and might be a vault's numbers."""
    tokens = body.get("tokens")
    return (
        set(body) == {"tokens", "model"}
        and isinstance(body["model"], str)
        and is_list(tokens)
        and bool(tokens)
        and all(isinstance(token, int) and not isinstance(token, bool) for token in tokens)
    )


def _fits(body: Mapping[str, object], text: str, others: frozenset[str]) -> bool:
    return (
        isinstance(body.get(text), str | list)
        and bool(body[text])
        and body.keys() <= {text, *others}
        and (text not in _ANYBODYS or len(body) > 1)
    )
