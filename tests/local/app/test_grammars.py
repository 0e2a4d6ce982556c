from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

import local_app
from cachesaver.local import ParameterError, Params
from cachesaver.local.app.grammars import Grammars
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.served import Served

needs_llguidance = pytest.mark.skipif(
    importlib.util.find_spec("llguidance") is None,
    reason="needs cachesaver[structured]",
)


@pytest.fixture(scope="module")
def served() -> Any:
    made = local_app.served_writer()
    yield made
    made.writer.close()


def test_without_llguidance_it_is_a_refusal(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)

    with pytest.raises(
        Refusal, match=r"^response_format needs .*cachesaver\[structured\]"
    ) as raised:
        served.grammars.guide({}, "response_format")

    assert (raised.value.status, raised.value.param) == (400, "response_format")


@needs_llguidance
@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "#/$defs/none"}])
def test_a_schema_that_is_none_is_a_refusal(served: Served, schema: Any) -> None:
    with pytest.raises(Refusal, match="cannot be made of this schema") as raised:
        served.grammars.guide(schema, "response_format")

    assert raised.value.code == "invalid_json_schema"


ENDLESS = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}


@needs_llguidance
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        ENDLESS,
        {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": ENDLESS["$defs"]},
    ],
)
def test_a_schema_that_refers_only_to_itself_is_a_refusal(served: Served, schema: Any) -> None:
    """Given what no JSON fits, then it is refused at once: not when the model has no token left."""
    makers: list[Any] = [
        lambda: served.grammars.guide(schema, "a"),
        lambda: served.grammars.guide_to_call({"f": schema}, "a"),
        lambda: served.grammars.guide_in_calls({"f": schema}, served.tongue.decode, "a"),
    ]
    for make in makers:
        with pytest.raises(Refusal, match="refers only to itself") as raised:
            make()
        assert (raised.value.status, raised.value.code) == (400, "invalid_json_schema")


@needs_llguidance
def test_a_schema_without_a_first_token_is_a_refusal(served: Served) -> None:
    """Given alternatives that all refer to the schema itself, then the first mask tells."""
    with pytest.raises(Refusal, match="nothing fits it") as raised:
        served.grammars.guide({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, "response_format")

    assert raised.value.code == "invalid_json_schema"


@needs_llguidance
def test_each_sample_has_a_guide_of_its_own(served: Served) -> None:
    guide = served.grammars.guide({"enum": ["x", "y"]}, "response_format")
    first, second = guide(0), guide(1)
    quote = served.tongue.id_of('"')
    assert quote is not None

    first.accept(quote)

    before, after = second.allowed(), first.allowed()
    assert before is not None
    assert after is not None
    assert bool(before[quote])
    assert not bool(after[quote])
    assert before.shape == (served.writer.vocabulary,)


@needs_llguidance
def test_a_token_that_is_not_allowed_is_an_error(served: Served) -> None:
    guide = served.grammars.guide({"enum": ["x"]}, "response_format")(0)

    with pytest.raises(RuntimeError):
        guide.accept(served.tongue.id_of("x"))  # type: ignore[arg-type]


def fields(count: int) -> dict[str, Any]:
    """A schema with as many fields, none of which has to be there: any of them may come next."""
    each = {f"p{at}": {"type": "integer"} for at in range(count)}
    return {"type": "object", "properties": each, "additionalProperties": False}


@needs_llguidance
def test_a_schema_too_large_to_be_followed_is_the_requests_fault(served: Served) -> None:
    guide = served.grammars.guide(fields(1700), "response_format")(0)
    brace = served.tongue.id_of("{")
    assert brace is not None

    with pytest.raises(ParameterError, match="response_format: this schema is too large") as raised:
        guide.accept(brace)

    assert raised.value.parameter == "response_format"
    assert "\n" not in str(raised.value)


@needs_llguidance
def test_a_schema_that_is_large_is_followed(served: Served) -> None:
    guide = served.grammars.guide(fields(400), "response_format")(0)

    for token in map(served.tongue.id_of, '{"p0":1'):
        assert token is not None
        guide.accept(token)
        assert guide.allowed() is not None


@needs_llguidance
def test_references_in_tools_stay_their_own(served: Served) -> None:
    """Given two functions whose schemas both define `x`, then each call has its own."""
    calls = {
        name: {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/x"}},
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"x": {"enum": [value]}},
        }
        for name, value in (("f", 1), ("g", 2))
    }
    guide = served.grammars.guide_to_call(calls, "tool_choice")
    prompt = served.tongue.encode("the", special=False)

    for name, value in (("f", 1), ("g", 2)):
        liked = served.tongue.id_of(name)
        assert liked is not None
        params = Params(seed=1, max_tokens=60, logit_bias={liked: 100})
        (stream,) = served.writer.submit(prompt, 1, params, guide=guide)
        said = served.tongue.decode([token.id for token in stream]).removesuffix("</s>")
        assert json.loads(said) == {"name": name, "arguments": {"a": value}}


@needs_llguidance
def test_llguidances_tokenizer_is_made_once(served: Served) -> None:
    made = Grammars(served.tongue.tokenizer, served.writer.vocabulary, served.ends)

    made.guide({}, "a")
    first = made._words
    made.guide({"type": "object"}, "a")

    assert made._words is first


class Led:
    """Says *text* first, and then what *guide* allows."""

    def __init__(self, guide: Any, ids: list[int], vocabulary: int) -> None:
        self.guide = guide
        self.left = list(ids)
        self.vocabulary = vocabulary

    def allowed(self) -> torch.Tensor | None:
        if not self.left:
            allowed: torch.Tensor | None = self.guide.allowed()
            return allowed
        mask = torch.zeros(self.vocabulary, dtype=torch.bool)
        mask[self.left[0]] = True
        return mask

    def accept(self, token: int) -> bool:
        self.left = self.left[1:]
        return bool(self.guide.accept(token))


@needs_llguidance
@pytest.mark.parametrize("said", ["I go. <tool_call>", "<tool_call>\n", '<tool_call>{"na'])
def test_calls_fit_and_what_stands_around_them_is_free(served: Served, said: str) -> None:
    """Given a model that begins to call, then the call fits, whatever the model likes; then it is free."""
    schema = {
        "type": "object",
        "properties": {"to": {"enum": ["x", "y"]}},
        "required": ["to"],
        "additionalProperties": False,
    }
    make = served.grammars.guide_in_calls({"go": schema}, served.tongue.decode, "tools")
    ids = [*served.tongue.encode(said, special=False)]
    params = Params(seed=3, max_tokens=len(ids) + 90, ignore_end=True)

    (stream,) = served.writer.submit(
        [5], 1, params, guide=lambda at: Led(make(at), ids, served.writer.vocabulary)
    )
    answer = served.tongue.decode([token.id for token in stream])

    call, end, after = answer.partition("<tool_call>")[2].partition("</tool_call>")
    assert end
    assert json.loads(call)["arguments"]["to"] in ("x", "y")
    assert len(after) > 5


@needs_llguidance
def test_a_tokenizer_that_llguidance_does_not_take_is_a_refusal(served: Served) -> None:
    words = Tokenizer(WordLevel({"a": 0, "</s>": 1, "?": 2}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")
    made = Grammars(tokenizer, 3, frozenset({1}))

    made.prepare()

    with pytest.raises(Refusal, match="does not take the tokenizer of this model: can't") as raised:
        made.guide({}, "response_format")
    assert (raised.value.status, raised.value.code) == (400, "unsupported_parameter")


def test_without_llguidance_nothing_is_prepared(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    made = Grammars(served.tongue.tokenizer, served.writer.vocabulary, served.ends)

    made.prepare()

    assert made._words is None
