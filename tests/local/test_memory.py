"""Texts lie beside each other in one piece of memory, and what is copied has its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from cachesaver.local.memory import Memory, reserve


def states(texts: int, length: int, *, heads: int = 2, width: int = 3, value: float = 0) -> Tensor:
    numbers = torch.arange(texts * heads * length * width, dtype=torch.float32)
    return numbers.reshape(texts, heads, length, width) + value


def written(memory: Memory, *pieces: int, layers: int = 2, **shape: int) -> list[list[Tensor]]:
    """Write *pieces* of so many tokens in each layer; return the keys of each layer, piece by piece."""
    texts = memory._shape[0]
    wrote: list[list[Tensor]] = [[] for _ in range(layers)]
    for at, length in enumerate(pieces):
        for layer in range(layers):
            keys = states(texts, length, value=1000 * layer + 100 * at, **shape)
            wrote[layer].append(keys)
            found = memory.cache.update(keys, -keys, layer)
            assert torch.equal(found[0], torch.cat(wrote[layer], 2))
            assert torch.equal(found[1], -found[0])
    return wrote


@pytest.mark.parametrize("pieces", [(7,), (3, 4), (1, 5, 1)])
def test_what_is_written_is_there_as_it_grows(pieces: tuple[int, ...]) -> None:
    memory = Memory(2, texts=2, room=7)
    assert memory.cache.get_seq_length() == 0

    wrote = written(memory, *pieces)

    for text in range(2):
        for (keys, values), layer in zip(memory.text(text, 7), wrote, strict=True):
            assert torch.equal(keys, torch.cat(layer, 2)[text : text + 1])
            assert torch.equal(values, -keys)
    assert memory.cache.get_seq_length() == 7
    assert memory.cache.get_mask_sizes(2, 0) == (9, 0)


def test_all_layers_have_one_piece_of_memory() -> None:
    memory = Memory(3, texts=2, room=5)

    written(memory, 5, layers=3)

    places = {each.untyped_storage().data_ptr() for pair in memory.text(0, 5) for each in pair}
    assert len(places) == 1


@pytest.mark.parametrize("wide", [0, 1, 2])
def test_a_copy_is_as_long_as_its_text_and_stays(wide: int) -> None:
    """Given layers of which some have another width, then a copy is the same and keeps its own alone."""
    memory = Memory(2, texts=3, room=9)
    for layer in range(2):
        keys = states(3, 9, width=5 if layer < wide else 3, value=layer)
        memory.cache.update(keys, -keys, layer)
    before = [(keys.clone(), values.clone()) for keys, values in memory.text(1, 4)]

    copied = memory.copy(1, 4)
    for pair in memory.text(1, 9):
        for each in pair:
            each.zero_()

    for ours, theirs in zip(copied, before, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
    held = {each.untyped_storage() for pair in copied for each in pair}
    sizes = {each.data_ptr(): each.nbytes() for each in held}
    assert sum(sizes.values()) == sum(each.nbytes for pair in before for each in pair)


def test_keys_and_values_of_other_widths_have_their_own() -> None:
    memory = Memory(2, texts=1, room=4)
    for layer in range(2):
        memory.cache.update(states(1, 4, width=6), states(1, 4, width=2, value=layer), layer)

    assert [(k.shape[3], v.shape[3]) for k, v in memory.copy(0, 3)] == [(6, 2)] * 2
    assert torch.equal(memory.text(0, 4)[1][1], states(1, 4, width=2, value=1))


def test_a_layer_that_is_never_written_is_no_layer() -> None:
    """Given layers that share what others keep, then there is nothing of them."""
    memory = Memory(3, texts=1, room=4)
    written(memory, 4, layers=2)

    assert len(memory.text(0, 4)) == len(memory.copy(0, 4)) == 2


def test_a_text_begins_as_another_one() -> None:
    other = Memory(2, texts=1, room=6)
    wrote = written(other, 6)
    memory = Memory(2, texts=1, room=8)

    memory.begin(other.text(0, 6), 4)

    assert torch.equal(memory.text(0, 4)[1][0], wrote[1][0][:, :, :4])
    found, _ = memory.cache.update(*[states(1, 2, value=5)] * 2, 1)
    assert torch.equal(found, torch.cat([wrote[1][0][:, :, :4], states(1, 2, value=5)], 2))


def test_there_is_no_limit_by_either_name() -> None:
    (layer,) = Memory(1, texts=1, room=4).cache.layers

    assert layer.get_max_length() == layer.get_max_cache_shape() == -1


def test_a_processor_has_nothing_to_reserve() -> None:
    assert reserve(1 << 40, torch.device("cpu")) == ()


class Allocator:
    """Stands for torch on a GPU of *room* bytes: tensors lie where *places* say."""

    def __init__(self, places: list[int], room: int = 1 << 40) -> None:
        self.places = places
        self.room = room
        self.asked: list[int] = []

    def empty(self, nbytes: int, **_: object) -> SimpleNamespace:
        """Return something that has an address."""
        self.asked.append(nbytes)
        if nbytes > self.room:
            raise torch.OutOfMemoryError("no memory")
        place = self.places.pop(0)
        return SimpleNamespace(data_ptr=lambda: place)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("places", "held"),
    [
        ([1000 * MIB, 1000 * MIB], 1),  # the first small piece lies in the great one
        ([1000 * MIB, 50 * MIB, 1512 * MIB, 1100 * MIB], 1),  # others lay about, and are not held
        ([1000 * MIB, *[50 * MIB] * 40], 0),
    ],
)
def test_a_little_of_what_is_reserved_stays_in_use(
    monkeypatch: pytest.MonkeyPatch, places: list[int], held: int
) -> None:
    allocator = Allocator(places)
    monkeypatch.setattr(torch, "empty", allocator.empty)
    monkeypatch.setattr(torch.cuda, "empty_cache", allocator.asked.clear)

    kept = reserve(512 * MIB, torch.device("cuda"))

    assert len(kept) == held
    assert all(1000 * MIB <= each.data_ptr() < 1512 * MIB for each in kept)
    assert allocator.asked[0] == 512 * MIB
    assert set(allocator.asked[1:]) == {12 * MIB}


def test_without_memory_nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator = Allocator([], room=400 * MIB)
    monkeypatch.setattr(torch, "empty", allocator.empty)
    monkeypatch.setattr(torch.cuda, "empty_cache", allocator.asked.clear)

    assert reserve(512 * MIB, torch.device("cuda")) == ()
    assert reserve(100 * MIB, torch.device("cuda")) == ()
    assert allocator.asked == [512 * MIB]  # a little is not worth while


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")


@needs_gpu
def test_what_is_reserved_is_there_after_torch_gave_back_what_it_could() -> None:
    device = torch.device("cuda")
    kept = reserve(1 << 30, device)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_stats(device)["num_device_alloc"]

    pieces = [torch.empty(64 * MIB, dtype=torch.uint8, device=device) for _ in range(12)]

    assert kept
    assert len(pieces) == 12
    assert torch.cuda.memory_stats(device)["num_device_alloc"] == before
