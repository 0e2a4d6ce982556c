"""Compiled pieces compute what the model's own do, and are there within a step alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

import tiny
from cachesaver.local import Params, Sizes, open_engine
from cachesaver.local.fusing import Pieces, find_pieces
from engines import by_hand, generated, ids, model, prompt, tick
from tape import TapeRecorder

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
LIKELIEST = Params(temperature=0, max_tokens=20, ignore_end=True)


class Counted:
    """A compiler that counts what is called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.compiled: list[str] = []

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function*, counted."""
        self.compiled.append(function.__qualname__)

        def counted(*given: Any, **named: Any) -> Any:
            self.calls[function.__qualname__] += 1
            return function(*given, **named)

        return counted


def logits(made: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = made(torch.arange(6, 20)[None]).logits
    return found


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_within_they_are_called_and_outside_they_are_not(family: str) -> None:
    made, counted = tiny.model(family), Counted()
    pieces = Pieces(made, counted)
    wanted = logits(made)

    with pieces.fused():
        fused = logits(made)
    within = counted.calls.total()

    assert torch.equal(fused, wanted)
    assert torch.equal(logits(made), wanted)
    assert counted.calls.total() == within
    assert within or family in {"gpt_neox", "roberta", "phi"}
    assert not any("forward" in vars(each) for each in made.modules())


def test_a_class_is_compiled_once_however_many_there_are() -> None:
    counted = Counted()
    made = tiny.model("qwen3", num_hidden_layers=5)

    with Pieces(made, counted).fused():
        logits(made)

    assert sorted(counted.compiled) == [
        "Qwen3MLP.forward",
        "Qwen3RMSNorm.forward",
        "apply_rotary_pos_emb",
    ]
    assert counted.calls["Qwen3RMSNorm.forward"] == 5 * 4 + 1


def test_what_raises_leaves_the_model_as_it_was() -> None:
    made, counted = tiny.model(), Counted()
    wanted = logits(made)

    with pytest.raises(ZeroDivisionError), Pieces(made, counted).fused():
        raise ZeroDivisionError

    assert torch.equal(logits(made), wanted)
    assert not counted.calls


def test_what_is_called_otherwise_stays_so() -> None:
    """Given modules whose `forward` was swapped, as weights that are elsewhere have it, then it stays."""
    made = tiny.model()
    calls: list[str] = []
    for name in ("model.norm", "model.layers.0.mlp", "model.layers.0.self_attn.q_proj"):
        module = made.get_submodule(name)

        def forward(*given: Any, name: str = name, real: Any = module.forward) -> Any:
            calls.append(name)
            return real(*given)

        module.forward = forward

    for wanted in (3, 6):
        with Pieces(made, lambda each: each).fused():
            logits(made)
        assert len(calls) == wanted


def test_they_are_for_cuda_and_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny.model()
    found = dict.fromkeys(["triton"], "found")
    monkeypatch.setattr("cachesaver.local.fusing.find_spec", found.get)
    made_of: list[Any] = []
    monkeypatch.setattr("cachesaver.local.fusing.Pieces", made_of.append)

    assert find_pieces(made, CPU) is None
    assert not made_of
    find_pieces(made, CUDA)
    assert made_of == [made]
    found.clear()
    assert find_pieces(made, CUDA) is None
    assert made_of == [made]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> TapeRecorder:
    """Let every engine that is opened record with this."""
    made = TapeRecorder()
    monkeypatch.setattr("cachesaver.local.choosing.find_recorder", lambda _: made)
    return made


def opened(monkeypatch: pytest.MonkeyPatch, compiler: Callable[[Any], Any]) -> Any:
    monkeypatch.setattr(
        "cachesaver.local.choosing.find_pieces", lambda made, _: Pieces(made, compiler)
    )
    engine = open_engine(model("llama"), kind="slot", graphs="auto", sizes=Sizes(cells=4096))
    return by_hand(engine)


def test_steps_that_are_recorded_have_them(
    recorder: TapeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted()
    engine = opened(monkeypatch, counted)
    counted.calls.clear()
    (stream,) = engine.submit(prompt(), 1, LIKELIEST)

    tick(engine, 30)

    assert ids(stream) == generated("llama", prompt(), 20)
    assert recorder.replays > 10
    # Two steps that warm, and one that is recorded; not the one that is watched, nor the prompt.
    assert counted.calls["apply_rotary_pos_emb"] == 3 * 2


@pytest.mark.parametrize("fault", ["raises", "is wrong"])
def test_pieces_that_fail_their_trial_are_not_used(
    fault: str,
    recorder: TapeRecorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given a compiler that fails, or compiles something else, then steps are graphs without it."""

    def compiler(function: Callable[..., Any]) -> Callable[..., Any]:
        def bad(*given: Any, **named: Any) -> Any:
            if fault == "raises":
                raise RuntimeError("no compiler")
            found = function(*given, **named)
            return found if isinstance(found, tuple) else found + 1

        return bad

    engine = opened(monkeypatch, compiler)
    (stream,) = engine.submit(prompt(), 1, LIKELIEST)
    tick(engine, 30)

    assert ids(stream) == generated("llama", prompt(), 20)
    assert engine.stats().graph_steps > 10
    assert recorder.replays > 10
    assert "have no compiled pieces" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma", "phi3", "mixtral"])
def test_on_a_gpu_what_is_compiled_computes_the_same(family: str) -> None:
    made = tiny.model(family).to(CUDA)
    pieces = find_pieces(made, CUDA)
    assert pieces is not None
    with torch.inference_mode():
        for length in (3, 17, 64):
            given = torch.arange(6, 6 + length, device=CUDA)[None]
            wanted = made(given).logits
            with pieces.fused():
                found = made(given).logits
            assert torch.allclose(found, wanted, atol=1e-3)
