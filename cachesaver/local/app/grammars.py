"""Answers that fit a JSON Schema: each token is chosen among those that a grammar allows.

By llguidance, which is an extra: https://github.com/guidance-ai/llguidance.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cachesaver.local.app.references import endless_reference
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.watching import Watching
from cachesaver.local.errors import ParameterError
from cachesaver.local.guides import Guide

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ANY_OBJECT", "Grammars"]

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}

_MISSING = (
    "needs constrained decoding, and llguidance is not installed where the server runs. Install it with: "
    "pip install 'cachesaver[structured]'"
)

_OPTIONS = {"x-guidance": {"whitespace_flexible": False}}
"""https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md#whitespace-handling.
A model that likes blanks could write nothing else for ever."""

_SAID = 500
"""Characters of what llguidance says that are repeated."""


class Grammars:
    """Guides for one tokenizer.

    Args:
        tokenizer: Of transformers.
        vocabulary: Tokens that the model chooses among, which may be more than the tokenizer knows.
        ends: Ids of the tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._ends = ends
        self._lock = threading.Lock()
        self._words: Any = None
        self._unfit: str | None = None

    def prepare(self) -> None:
        """Make what all grammars need, if llguidance is there; else the first grammar does.

        It takes seconds where a vocabulary is large, and all threads wait. A tokenizer that llguidance
        does not take is no error: grammars are refused then.
        """
        if find_spec("llguidance") is not None:
            self._make()

    def guide(self, schema: Mapping[str, Any], param: str) -> Callable[[int], Guide]:
        """Return what makes the guides of samples that fit *schema*.

        Raises:
            Refusal: llguidance is not there, or does not know what the schema asks for.
        """
        return self._guides(f"start: %json {_json(schema, param)}", param)

    def guide_to_call(
        self, calls: Mapping[str, Mapping[str, Any]], param: str
    ) -> Callable[[int], Guide]:
        """Return what makes the guides of samples that are JSON with `name` and `arguments`.

        Args:
            calls: The schema of the arguments of each name.
            param: The field of the body that asks for it.

        Raises:
            Refusal: As of `guide`.
        """
        return self._guides("\n".join(("start: call", *_rules(calls, param))), param)

    def guide_in_calls(
        self,
        calls: Mapping[str, Mapping[str, Any]],
        decode: Callable[[Sequence[int]], str],
        param: str,
    ) -> Callable[[int], Guide]:
        """Return what makes the guides of samples that say what they like, but call as *calls* allow.

        Only models of the family of Hermes: a call stands between `<tool_call>` and `</tool_call>`.

        Args:
            calls: The schema of the arguments of each name.
            decode: Gives the text of token ids.
            param: The field of the body that asks for it.

        Raises:
            Refusal: As of `guide`.
        """
        # Blanks as their templates write them, and not for ever.
        start = r'start: /[ \n]{0,2}/ call /[ \n]{0,2}/ "</tool_call>"'
        matcher = self._matcher("\n".join((start, *_rules(calls, param))), param)
        words = self._ready(param)

        def begin(said: str) -> Guide:
            guide = _Guided(matcher.deep_copy(), self._vocabulary, param)
            for token in words.tokenize_str(said):
                guide.accept(token)
            return guide

        return lambda _: Watching("<tool_call>", decode, begin)

    def _guides(self, rules: str, param: str) -> Callable[[int], Guide]:
        matcher = self._matcher(rules, param)
        return lambda _: _Guided(matcher.deep_copy(), self._vocabulary, param)

    def _matcher(self, rules: str, param: str) -> Any:
        try:
            from llguidance import LLMatcher
        except ModuleNotFoundError as error:
            raise Refusal(
                400, f"{param} {_MISSING}", param=param, code="unsupported_parameter"
            ) from error
        grammar = LLMatcher.grammar_from_lark(rules)
        words = self._ready(param)
        if said := LLMatcher.validate_grammar(grammar, words):
            raise _refused(param, said)
        matcher = LLMatcher(words, grammar, log_level=0)  # what is wrong is told, not printed
        # Some that are valid have no first token.
        tried = matcher.deep_copy()
        tried.compute_logit_bias()
        if tried.is_error():
            raise _refused(param, f"nothing fits it: {tried.get_error()}")
        return matcher

    def _ready(self, param: str) -> Any:
        """Return llguidance's own tokenizer.

        Raises:
            Refusal: It cannot be made of the model's.
        """
        self._make()
        if self._unfit is not None:
            message = (
                f"{param} needs constrained decoding, and llguidance does not take the tokenizer of "
                f"this model: {self._unfit}"
            )
            raise Refusal(400, message, param=param, code="unsupported_parameter")
        return self._words

    def _make(self) -> None:
        from llguidance.hf import from_tokenizer

        with self._lock:
            if self._words is not None or self._unfit is not None:
                return
            try:
                self._words = from_tokenizer(
                    self._tokenizer, n_vocab=self._size(), eos_token=sorted(self._ends) or None
                )
            except ValueError as error:
                self._unfit = str(error)

    def _size(self) -> int:
        known: int = self._tokenizer.backend_tokenizer.get_vocab_size()
        return max(self._vocabulary, known)


def _rules(calls: Mapping[str, Mapping[str, Any]], param: str) -> list[str]:
    """Return the rule `call`: JSON with `name` and `arguments`. Each schema keeps its own `$defs`."""
    rules = [f"call: {' | '.join(f'call{at}' for at in range(len(calls)))}"]
    for at, (name, schema) in enumerate(calls.items()):
        head = json.dumps(f'{{"name": "{name}", "arguments": ')
        rules.append(f'call{at}: {head} arguments{at} "}}"')
        rules.append(f"arguments{at}: %json {_json(schema, param)}")
    return rules


def _json(schema: Mapping[str, Any], param: str) -> str:
    if endless := endless_reference(schema):
        raise _refused(param, f"{endless} refers only to itself")
    # In pieces: what `dumps` writes, but a large schema would keep all threads waiting.
    return "".join(json.JSONEncoder().iterencode({**schema, **_OPTIONS}))


def _refused(param: str, said: str) -> Refusal:
    message = f"{param}: a grammar cannot be made of this schema: {said.splitlines()[0][:_SAID]}"
    return Refusal(400, message, param=param, code="invalid_json_schema")


_LIMIT = re.compile(r"max is \d|limit|exceeded|too (?:big|complex|large|many)|fuel")
"""What llguidance says where a grammar is more than it takes at once. It has no other sign: its
`stop_reason` is "InternalError" then."""


class _Guided:
    """A guide of llguidance.

    Args:
        matcher: Of its own.
        vocabulary: Of the model.
        param: The field of the body that asks for it.
    """

    def __init__(self, matcher: Any, vocabulary: int, param: str) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._param = param

    def allowed(self) -> Tensor | None:
        import torch

        mask = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        self._check()
        return mask[: self._vocabulary] > 0

    def accept(self, token: int) -> bool:
        self._matcher.consume_token(token)
        self._check()
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        """Raise what went wrong.

        Raises:
            ParameterError: The schema is too large, which shows where much of it may come next: most often
                at an object of some hundred fields of which none has to be there.
            RuntimeError: Else.
        """
        if not self._matcher.is_error():
            return
        said: str = self._matcher.get_error()
        if _LIMIT.search(first := said.partition("\n")[0]):
            message = f"{self._param}: this schema is too large to be followed: {first[:_SAID]}"
            raise ParameterError(self._param, message)
        raise RuntimeError(said)
