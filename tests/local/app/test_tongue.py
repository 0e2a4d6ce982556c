from __future__ import annotations

import concurrent.futures
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

import local_app
import local_words
import tiny
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.errors import UnsupportedModelError

TONGUE = Tongue(local_app.tokenizer())
USER = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}


def test_text_goes_through_tokens_and_back() -> None:
    text = "the quick € brown\n"

    assert TONGUE.decode(TONGUE.encode(text, special=False)) == text


def test_every_token_of_bytes_is_spelt() -> None:
    """Given all tokens, then decoding them is the same as putting their bytes together."""
    ids = [*range(tiny.tokenizer().vocab_size)]

    spelt = b"".join(map(TONGUE.spell, ids))

    assert spelt.decode(errors="replace") == TONGUE.decode(ids)
    assert TONGUE.spell(10_000) == b""


def test_tokens_that_fall_back_to_bytes_are_spelt() -> None:
    raw = Tokenizer(models.WordLevel({"<0xE2>": 0, "\u2581fox": 1, "</s>": 2}, unk_token="</s>"))
    raw.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tongue = Tongue(PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>"))

    assert [*map(tongue.spell, (0, 1, 2))] == [b"\xe2", b" fox", b"</s>"]


class Encoded:
    """What a tokenizer gives of a text that is too long to look at."""

    def __len__(self) -> int:
        return 10_000_000

    @property
    def ids(self) -> list[int]:
        raise MemoryError


def test_how_many_tokens_a_text_has_is_known_before_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tongue = Tongue(local_app.tokenizer())
    few = tongue.encode("the fox", special=False)
    monkeypatch.setattr(
        tongue, "_rust", SimpleNamespace(encode_batch_fast=lambda *_, **__: [Encoded()])
    )

    assert len(tongue.encode("the fox" * 10_000_000, special=False)) == 10_000_000
    assert [*few] == few[:] == [few[at] for at in range(len(few))]


def test_special_tokens_are_hidden() -> None:
    assert {0, 1, 2, 3, 4, 5} == TONGUE.hidden


def test_nothing_is_cut_or_filled_up() -> None:
    """Given a tokenizer that is saved with a length to cut at, as all-MiniLM is, then it is not."""
    cut = local_app.tokenizer()
    cut.backend_tokenizer.enable_truncation(4)
    cut.backend_tokenizer.enable_padding(length=9)

    assert len(Tongue(cut).encode("a" * 50, special=True)) == 50


def test_threads_share_it() -> None:
    texts = [f"the quick {at} " * 50 for at in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        decoded = [*pool.map(lambda each: TONGUE.decode(TONGUE.encode(each, special=False)), texts)]

    assert decoded == texts


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"tokenizer\.json"):
        Tongue(object())


def test_templates_make_prompts() -> None:
    assert TONGUE.render(USER, [], {}) == "<|user|>hi</s><|assistant|>"
    assert TONGUE.render(USER, [TOOL], {}).startswith("<|system|>tools:f ")
    assert TONGUE.render(USER, [], {"opening": "So"}).endswith("<|assistant|>So")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "has no chat template"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[7].content }}", "does not take these messages"),
        ("{% for %}", "does not take these messages"),
    ],
)
def test_a_template_that_does_not_take_it_is_a_refusal(template: str | None, words: str) -> None:
    with pytest.raises(Refusal, match=words) as raised:
        Tongue(local_app.tokenizer(template)).render(USER, [], {})

    assert raised.value.status == 400


def test_tools_that_a_template_leaves_out_are_a_refusal() -> None:
    plain = Tongue(local_app.tokenizer("{{ messages[0].content }}"))

    with pytest.raises(Refusal, match="does not take tools"):
        plain.render(USER, [TOOL], {})


def test_the_tokenizer_by_hand_is_like_one() -> None:
    """Given what other tests use in its place, then it decodes and spells alike."""
    by_hand = local_words.tongue()
    ids = [ord("a"), ord(" "), local_words.MARK]

    assert by_hand.decode(ids).encode() == b"".join(map(by_hand.spell, ids))
    assert by_hand.hidden == {local_words.END, local_words.MARK}
