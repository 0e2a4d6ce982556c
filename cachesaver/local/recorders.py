"""Record what a device does, to have it done again without being told each piece: the port, and CUDA's way.

What is recorded is done again on the very same tensors, and none of its Python runs then: whatever it
reads, and whatever it is to leave behind, is in tensors that are neither moved nor made anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = [
    "CannotRecordError",
    "CudaRecorder",
    "Recorder",
    "Recording",
    "Watch",
    "Work",
    "find_recorder",
]

Work: TypeAlias = Callable[[], None]

_ALONE = threading.Lock()
"""Torch takes one recording at a time in a process: as one begins, the whole device is waited for."""


_WAITS = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})
"""Of operators that wait for the device, to know what is in a tensor."""

_BY_INDEX = ("aten::index.", "aten::index_put", "aten::_index_put_impl", "aten::_unsafe_index")
"""They are among those whose size depends on what is in tensors, and do so for masks only."""


class CannotRecordError(RuntimeError):
    """What was to be recorded does what a recording cannot."""


class Watch(TorchDispatchMode):
    """Within it, what waits for the device raises `CannotRecordError`.

    A recording of CUDA that fails in the middle may leave the device's state in torch as it was then:
    so whether it will is found out before, as far as operators tell.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Do what *func* does."""
        if _waits(func, args):
            raise CannotRecordError(f"{func.name()} waits for the device")
        return func(*args, **(kwargs or {}))


def _waits(func: Any, args: tuple[Any, ...]) -> bool:
    name = func.name()
    if name.startswith(_BY_INDEX):
        by = [each for each in tree_leaves(args[1]) if isinstance(each, Tensor)]
        return any(each.dtype in (torch.bool, torch.uint8) for each in by)
    return name == "aten::is_nonzero" or not _WAITS.isdisjoint(func.tags)


class Recording(Protocol):
    """Work that was recorded.

    Attributes:
        nbytes: Memory of the device that it takes up, about.
    """

    nbytes: int

    def replay(self) -> None:
        """Do the work again, after what the current stream has been told before."""
        ...


class Recorder(Protocol):
    """Records for one device. Used by one thread at a time."""

    def warm(self, work: Work) -> None:
        """Do *work* where it would be recorded, so that what it sets up once is set up."""
        ...

    def capture(self, work: Work, held: Sequence[Tensor]) -> Recording:
        """Record *work*, which may or may not be done by it: it is such as can be done twice.

        Args:
            work: It was warmed. What it does must not depend on what is in tensors.
            held: All that it reads or writes, but for the model's own: kept where it is, for as long
                as the recording is.

        Raises:
            Exception: Whatever, if it cannot be recorded.
        """
        ...


@dataclass(slots=True, kw_only=True)
class CudaRecording:
    """See `Recording`."""

    graph: Any
    held: Sequence[Tensor]
    nbytes: int

    def replay(self) -> None:
        """See `Recording.replay`."""
        self.graph.replay()


class CudaRecorder:
    """See `Recorder`; https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.

    All recordings have one pool of memory: one may overwrite what another one left there, so what is
    wanted of it is to be in tensors of *held*.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, work: Work) -> None:
        """See `Recorder.warm`."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                work()
        finally:
            outside.wait_stream(self._stream)

    def capture(self, work: Work, held: Sequence[Tensor]) -> CudaRecording:
        """See `Recorder.capture`. Other threads may use the device meanwhile, but not record."""
        outside = torch.cuda.current_stream(self._device)
        # The outer of the two streams is for a recording that fails: torch leaves its own in place then.
        with _ALONE, torch.cuda.device(self._device), torch.cuda.stream(outside):
            graph = torch.cuda.CUDAGraph()
            torch.cuda.empty_cache()
            before, _ = torch.cuda.mem_get_info(self._device)
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                work()
            after, _ = torch.cuda.mem_get_info(self._device)
        return CudaRecording(graph=graph, held=held, nbytes=max(0, before - after))


def find_recorder(device: torch.device) -> Recorder | None:
    """Return what records on *device*; only CUDA can."""
    return CudaRecorder(device) if device.type == "cuda" else None
