"""Projections that are put together compute what they did, and are there once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

import tiny
from cachesaver.local import Params, Sizes, open_engine
from cachesaver.local.fusing import Pieces
from cachesaver.local.merging import Trio, find_trios
from engines import by_hand, generated, ids, prompt, tick
from tape import TapeRecorder

PUT_TOGETHER = frozenset(
    {"llama", "llama-eager", "qwen2", "qwen3", "mistral", "gemma", "phi", "olmo2", "mixtral"}
    | {"qwen3_moe"}
)
"""Families whose projections are called as most are."""


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_each_family_has_one_for_each_layer_or_none(family: str) -> None:
    made = tiny.model(family)
    tokens = torch.arange(6, 20)[None]
    before = {name: each.clone() for name, each in made.state_dict().items()}
    with torch.inference_mode():
        wanted = made(tokens).logits

    trios = find_trios(made)

    assert len(trios) == (2 if family in PUT_TOGETHER else 0)
    after = made.state_dict()
    assert all(torch.equal(before[name], each) for name, each in after.items())
    with torch.inference_mode():
        assert torch.allclose(made(tokens).logits, wanted, atol=1e-5)


def trio(*, bias: bool = False) -> tuple[list[nn.Linear], Trio]:
    parts = [nn.Linear(8, size, bias=bias) for size in (12, 4, 6)]
    return parts, Trio(parts)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 1, 0, 2, 2)])
def test_any_order_gives_what_each_gives(order: tuple[int, ...], *, bias: bool) -> None:
    """Given projections that are called in any order, and some again, then each gives its own."""
    parts, made = trio(bias=bias)
    calls = [call for _, call in made.forwards()]

    for given in torch.randn(3, 2, 8):
        for at in order:
            assert torch.allclose(calls[at](given), parts[at](given), atol=1e-6)


def test_nothing_is_kept_when_all_were_taken() -> None:
    _, made = trio()
    given = torch.randn(2, 8)

    for _, call in made.forwards():
        call(given)

    assert (made._held.given, made._held.found) == (None, {})


def test_weights_are_there_once() -> None:
    parts, _ = trio(bias=True)

    for name in ("weight", "bias"):
        tensors = [getattr(each, name) for each in parts]
        assert len({each.untyped_storage().data_ptr() for each in tensors}) == 1
        assert tensors[0].untyped_storage().nbytes() == sum(each.nbytes for each in tensors)
    assert all(each.weight.requires_grad for each in parts)
    parts[1](torch.randn(2, 8)).sum().backward()  # whoever trains it may


class Layer(nn.Module):
    """A layer whose projections are not all plain, alike, or its own."""

    def __init__(self, **changed: Any) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(self, name, changed.get(name) or nn.Linear(8, 4))


class Scaled(nn.Linear):
    """Not what it seems."""

    def forward(self, given: Tensor) -> Tensor:
        """Return half."""
        return super().forward(given) / 2


@pytest.mark.parametrize(
    "changed",
    [
        {"k_proj": Scaled(8, 4)},
        {"k_proj": nn.Linear(6, 4)},
        {"v_proj": nn.Linear(8, 4, bias=False)},
        {"v_proj": nn.Linear(8, 4, dtype=torch.bfloat16)},
        {"q_proj": nn.Identity()},
    ],
)
def test_what_is_not_alike_stays_apart(changed: dict[str, Any]) -> None:
    assert find_trios(Layer(**changed)) == []


def test_weights_that_others_have_too_stay_apart() -> None:
    layer = Layer()
    with torch.no_grad():
        whole = torch.randn(2, 4, 8)
        layer.q_proj.weight.data, layer.k_proj.weight.data = whole

    assert find_trios(layer) == []
    assert len(find_trios(Layer())) == 1


class Packed(Tensor):
    """A weight that is no plain one, as of models in eight bits, and cannot be put together."""

    @staticmethod
    def __new__(cls: type[Packed], shape: tuple[int, int]) -> Any:
        """Make one of no numbers."""
        return Tensor._make_wrapper_subclass(cls, shape)

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any) -> Any:
        """Only be looked at."""
        if func is torch.ops.aten.detach.default:
            return cls((4, 8))
        raise NotImplementedError(func)


def test_weights_that_are_packed_stay_apart() -> None:
    layer = Layer()
    for each in layer.children():
        each.weight = nn.Parameter(Packed((4, 8)), requires_grad=False)

    assert find_trios(layer) == []


def test_a_model_that_was_made_for_inference_alone_is_as_it_was() -> None:
    tokens = torch.arange(6, 20)[None]
    with torch.inference_mode():
        made = tiny.model()
        wanted = made(tokens).logits

        assert find_trios(made) == []
        assert torch.equal(made(tokens).logits, wanted)


def test_projections_that_are_called_otherwise_stay_apart() -> None:
    """Given a projection whose `forward` was swapped, as weights that are elsewhere have it, then it is."""
    layer = Layer()
    layer.k_proj.forward = lambda given: given[..., :4]

    assert find_trios(layer) == []


def test_two_threads_at_once_get_their_own() -> None:
    """Given a layer in which one thread is when another one comes, then each has one product for three."""
    parts, made = trio()
    calls = [call for _, call in made.forwards()]
    ours, theirs = torch.randn(2, 2, 8)
    calls[0](ours)

    with ThreadPoolExecutor() as other:
        found = [other.submit(call, theirs).result() for call in calls]

    assert all(torch.allclose(each, part(theirs)) for each, part in zip(found, parts, strict=True))
    assert sorted(made._held.found) == [1, 2]
    assert torch.allclose(calls[1](ours), parts[1](ours))


def test_a_model_that_is_saved_is_what_it_was(tmp_path: Path) -> None:
    made = tiny.model("qwen2")
    before = {name: each.clone() for name, each in made.state_dict().items()}
    find_trios(made)

    made.save_pretrained(tmp_path)

    after = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(before[name], each) for name, each in after.items())


@pytest.mark.parametrize("family", sorted(PUT_TOGETHER))
def test_steps_by_graphs_say_what_generate_says(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = TapeRecorder()
    monkeypatch.setattr("cachesaver.local.choosing.find_recorder", lambda _: recorder)
    monkeypatch.setattr(
        "cachesaver.local.choosing.find_pieces", lambda made, _: Pieces(made, lambda each: each)
    )
    likeliest = Params(temperature=0, max_tokens=20, ignore_end=True)
    made = tiny.model(family)
    engine = by_hand(open_engine(made, kind="slot", sizes=Sizes(cells=4096)))
    texts = [prompt(9 + 5 * at, at) for at in range(3)]
    streams = [engine.submit(text, 1, likeliest)[0] for text in texts]

    tick(engine, 24)

    assert [ids(each) for each in streams] == [generated(family, text, 20) for text in texts]
    assert recorder.replays > 15
    assert not any("forward" in vars(each) for each in made.modules())
