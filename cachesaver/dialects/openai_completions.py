"""OpenAI's legacy text completions, as vLLM and others still offer them to base models.

A request is one of these when its path ends in `/completions` (and in none of the longer ones) and
its body has `model` and one `prompt`. Several prompts in one request are several questions whose
answers this dialect cannot tell apart in a response, and `best_of` picks by likelihood, so that its
choices are not independent draws: both pass through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects.choices import ChoicesDialect, Object
from cachesaver.dialects.counting import asked_n
from cachesaver.dialects.hosts import NO_MODEL_PATHS, path_of
from cachesaver.dialects.jsontext import is_list
from cachesaver.dialects.openai_chat import OPENAI_LABELS, is_openai, is_signed
from cachesaver.errors import DialectError
from cachesaver.exchange import Request

__all__ = ["CompatibleCompletions", "OpenAICompletions"]


class CompatibleCompletions(ChoicesDialect):
    """Text completions on a host of which we know nothing else."""

    name = "openai.completions"
    # Not those of chat, of Mistral's fill-in-the-middle and agents, of Azure's model catalogue.
    endpoints = (r"(?<!/chat)(?<!/fim)(?<!/agents)/completions",)
    # https://platform.openai.com/docs/api-reference/completions/create
    volatile: Mapping[str, str] = MappingProxyType(
        {
            "stream": "the form of the answer, not the answer",
            "stream_options": "which events frame the answer",
            "n": "how many samples, not which",
        }
    )
    part = "text"
    whole_object = "text_completion"
    chunk_object = "text_completion"
    most: ClassVar[int] = 4096

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        model = body.get("model")
        named = model is None and NO_MODEL_PATHS.search(path_of(request.url)) is not None
        return (
            (named or (isinstance(model, str) and bool(model)))
            and _is_one_prompt(body.get("prompt"))
            and (asked_n(body) or self.most + 1) <= self.most
            and body.get("best_of") in (None, 1)
            and not body.get("use_beam_search")
            and "messages" not in body
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not (is_openai(request) or is_signed(request))

    def _fold(self, piece: Object, into: Object) -> None:
        text, more = into.setdefault("text", ""), piece.get("text") or ""
        if not isinstance(text, str) or not isinstance(more, str):
            raise DialectError("the text of a choice is not text", dialect=self.name)
        into["text"] = text + more

    def _finish(self, choice: Object) -> Object:
        return {"logprobs": None, "finish_reason": None, **choice}

    def _pieces(self, choice: Object, index: int) -> Iterator[Object]:
        yield {"logprobs": None, **choice, "index": index, "finish_reason": None}
        rest = {k: v for k, v in choice.items() if k not in ("text", "index", "logprobs")}
        yield {"text": "", "index": index, "logprobs": None, **rest}


class OpenAICompletions(CompatibleCompletions):
    """Text completions of OpenAI itself, whose defaults are documented for all its models."""

    # https://github.com/openai/openai-openapi (openapi.yaml, CreateCompletionRequest)
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "temperature": 1,
            "top_p": 1,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "max_tokens": 16,
            "best_of": 1,
            "echo": False,
        }
    )
    volatile = MappingProxyType({**CompatibleCompletions.volatile, "user": OPENAI_LABELS["user"]})
    most = 128
    usage_unasked = False

    def _serves(self, request: Request) -> bool:
        return is_openai(request)


def _is_one_prompt(prompt: object) -> bool:
    """Whether *prompt* is a text, a list of one text, or a list of tokens."""
    if isinstance(prompt, str):
        return True
    if not is_list(prompt) or not prompt:
        return False
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return True
    return all(isinstance(token, int) and not isinstance(token, bool) for token in prompt)
