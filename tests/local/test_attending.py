"""Attention in groups is the attention that the model has, and it is the model's only within a step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import cachesaver.local
import tiny
from cachesaver.local import attending as module
from cachesaver.local.attending import attend, attend_in_groups, attending

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Layer:
    """What a layer says of itself."""

    num_key_value_groups = 4
    is_causal = True


def given(
    rows: int, length: int, tokens: int = 1, *, device: torch.device = CPU, width: int = 16
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return query, key, value and what is added of a mask; keys are part of longer slots."""
    dice = torch.Generator(device).manual_seed(rows)
    query = torch.randn((rows, 8, tokens, width), generator=dice, device=device)
    key, value = (
        torch.randn((rows, 2, length + 32, width), generator=dice, device=device)[:, :, :length]
        for _ in range(2)
    )
    ends = torch.randint(1, length, (rows,), generator=dice, device=device)
    hidden = torch.arange(length, device=device)[None] > ends[:, None]
    mask = torch.zeros((rows, length), device=device).masked_fill_(hidden, torch.finfo().min)
    return query, key, value, mask[:, None, None, :]


def plainly(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    found, _ = sdpa_attention_forward(Layer(), query, key, value, mask, scaling=0.3)
    return found


@pytest.mark.parametrize(("rows", "length"), [(1, 8), (3, 64), (9, 40)])
def test_groups_attend_as_heads_do(rows: int, length: int) -> None:
    asked = given(rows, length)

    assert torch.allclose(attend_in_groups(*asked, 0.3), plainly(*asked), atol=1e-5)


@pytest.mark.parametrize("more", [{}, {"sliding_window": 4}, {"dropout": 0.5}])
def test_what_no_kernel_does_is_left_to_the_model(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a device without the kernel, or something that the kernel does not know, then all is sdpa's."""
    monkeypatch.setattr(module, "can_use_cudnn_attention", lambda _: bool(more))
    said: list[dict[str, Any]] = []

    def theirs(*given: Any, **named: Any) -> tuple[str, None]:
        said.append(named)
        return "theirs", None

    monkeypatch.setattr(module, "sdpa_attention_forward", theirs)

    assert attend(Layer(), *given(2, 16), scaling=0.3, **more) == ("theirs", None)
    assert said == [{"dropout": 0.0, "scaling": 0.3} | more]


def test_several_tokens_are_left_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "can_use_cudnn_attention", lambda _: True)
    query, key, value, _ = given(1, 16, tokens=3)

    found, _ = attend(Layer(), query, key, value, None, scaling=0.3)

    assert found.shape == (1, 3, 8, 16)


@pytest.fixture
def on_cuda() -> Any:
    """Return ends that say that they are on CUDA."""
    return SimpleNamespace(device=CUDA)


def test_a_model_attends_so_within_and_as_before_outside(on_cuda: Tensor) -> None:
    config = tiny.model().config
    assert AttentionInterface()["cachesaver-step"] is attend

    with attending(config, on_cuda):
        assert config._attn_implementation == "cachesaver-step"
        assert module._step.ends is on_cuda
    assert config._attn_implementation == "sdpa"
    with pytest.raises(ZeroDivisionError), attending(config, on_cuda):
        raise ZeroDivisionError
    assert config._attn_implementation == "sdpa"
    assert module._step.ends is None


def test_another_attention_and_another_device_stay(on_cuda: Tensor) -> None:
    eager, plain = tiny.model("llama-eager").config, tiny.model().config

    with attending(eager, on_cuda), attending(plain, torch.zeros(1)):
        assert (eager._attn_implementation, plain._attn_implementation) == ("eager", "sdpa")


def test_another_thread_has_ends_of_its_own(on_cuda: Tensor) -> None:
    with attending(tiny.model().config, on_cuda), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: module._step.ends).result() is None


def test_a_layer_that_reads_all_shows_beside_one_that_does_not(
    on_cuda: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_kernel", lambda _: Kernel(is_known=True))
    config = tiny.model().config

    with attending(config, on_cuda) as layers:
        attend(Layer(), *given(2, 16))
        assert layers.are_own
        attend(Layer(), *given(2, 16), sliding_window=9)
        assert not layers.are_own
    with attending(config, on_cuda) as layers:
        assert not layers.are_own


class Kernel:
    """Stands for the module `attention_kernel`: it knows all, or nothing."""

    def __init__(self, *, is_known: bool) -> None:
        self.is_known = is_known
        self.asked: list[Any] = []

    def knows(self, *_: Tensor) -> bool:
        """See `attention_kernel.knows`."""
        return self.is_known

    def attend_to_own(self, *asked: Any) -> str:
        """See `attention_kernel.attend_to_own`."""
        self.asked.append(asked)
        return "own"


@pytest.mark.parametrize(("is_known", "expected"), [(True, "own"), (False, "cudnn")])
def test_the_kernel_is_asked_first(
    on_cuda: Tensor, monkeypatch: pytest.MonkeyPatch, *, is_known: bool, expected: str
) -> None:
    kernel, asked = Kernel(is_known=is_known), given(2, 16)
    monkeypatch.setattr(module, "find_kernel", lambda _: kernel)
    monkeypatch.setattr(module, "_by_cudnn", lambda *_: "cudnn")

    with attending(tiny.model().config, on_cuda) as layers:
        found = attend(Layer(), *asked, scaling=0.3)

    assert found == (expected, None)
    assert layers.are_own is is_known
    assert all(one[-2:] == (on_cuda, 0.3) for one in kernel.asked)
    assert attend(Layer(), *asked, scaling=0.3) == ("cudnn", None)  # outside nobody knows the ends


class Plain:
    """Stands for the module `attention_kernel`: what PyTorch gives, and *more*."""

    def __init__(self, more: float = 0, error: Exception | None = None) -> None:
        self.more, self.error = more, error

    def attend_to_own(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, _: Tensor, scaling: float
    ) -> Tensor:
        """See `attention_kernel.attend_to_own`."""
        if self.error:
            raise self.error
        return attend_in_groups(query, key, value, mask, scaling) + self.more


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let what is tried on CUDA be tried here."""
    real = module._is_right
    monkeypatch.setattr(module, "_is_right", lambda *asked: real(asked[0], CPU, *asked[2:]))
    module.find_kernel.cache_clear()
    yield monkeypatch
    module.find_kernel.cache_clear()


def put(here: pytest.MonkeyPatch, kernel: object) -> None:
    here.setitem(sys.modules, "cachesaver.local.attention_kernel", kernel)
    here.setattr(cachesaver.local, "attention_kernel", kernel, raising=False)


def test_a_kernel_that_is_right_is_used_on_cuda(here: pytest.MonkeyPatch) -> None:
    kernel = Plain()
    put(here, kernel)

    assert module.find_kernel(CUDA) is kernel
    assert module.find_kernel(CPU) is None


@pytest.mark.parametrize("kernel", [Plain(0.5), Plain(error=RuntimeError("no compiler"))])
def test_a_kernel_that_is_wrong_or_fails_is_not(
    here: pytest.MonkeyPatch, kernel: object, caplog: pytest.LogCaptureFixture
) -> None:
    put(here, kernel)

    assert module.find_kernel(CUDA) is None
    assert "attention is without a kernel of Triton" in caplog.text


def test_without_triton_there_is_none_and_that_is_said(
    here: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here.setitem(sys.modules, "triton", None)
    here.delitem(sys.modules, "cachesaver.local.attention_kernel", raising=False)
    here.delattr(cachesaver.local, "attention_kernel", raising=False)

    assert module.find_kernel(CUDA) is None
    assert "attention is without a kernel of Triton: ModuleNotFoundError" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")
@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize(("rows", "length"), [(1, 64), (3, 640), (128, 576)])
def test_on_a_gpu_it_is_what_it_is_in_double(width: int, rows: int, length: int) -> None:
    asked = given(rows, length, device=CUDA, width=width)
    wanted = plainly(*(each.double() for each in asked))
    mask = asked[3].to(torch.bfloat16).clamp(min=torch.finfo(torch.bfloat16).min)
    query, key, value = (each.to(torch.bfloat16) for each in asked[:3])

    found = module._by_cudnn(query, key, value, mask, 0.3)

    assert found is not None
    assert float((found - wanted).norm() / wanted.norm()) < 1e-2
