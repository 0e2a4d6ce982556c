"""What is recorded is done again on the same tensors; of CUDA's way, what is asked of torch, in order."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
import torch

from cachesaver.local.recorders import CannotRecordError, CudaRecorder, find_recorder
from tape import TapeRecorder


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Cuda:
    """Stands in for `torch.cuda`, and notes what it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[object] = []
        self.free = [900, 700]
        self.real = torch.cuda.graph
        for name in ("Stream", "stream", "current_stream", "device", "graph", "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: self.told.append("empty"))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (self.free.pop(0), 1000))

    class Line:
        def __init__(self, told: list[object], name: str) -> None:
            self.told, self.name = told, name

        def wait_stream(self, other: Any) -> None:
            self.told.append(f"{self.name} waits for {other.name}")

    def _Stream(self, device: torch.device) -> Any:  # noqa: N802  # torch's name
        return self.Line(self.told, f"side of {device}")

    def _current_stream(self, device: torch.device) -> Any:
        return self.Line(self.told, f"main of {device}")

    @contextlib.contextmanager
    def _stream(self, line: Any) -> Generator[None]:
        self.told.append(f"on {line.name}")
        try:
            yield
        finally:
            self.told.append("off")

    @contextlib.contextmanager
    def _device(self, device: torch.device) -> Generator[None]:
        self.told.append(f"at {device}")
        yield

    @contextlib.contextmanager
    def _graph(self, *args: Any, **named: Any) -> Generator[None]:
        inspect.signature(self.real.__init__).bind(None, *args, **named)
        self.told.append({**named, "stream": named["stream"].name})
        yield
        self.told.append("recorded")

    def _CUDAGraph(self) -> Any:  # noqa: N802  # torch's name
        told = self.told

        class Graph:
            def replay(self) -> None:
                told.append("replay")

        return Graph()


def test_only_cuda_records() -> None:
    assert find_recorder(torch.device("cpu")) is None
    assert find_recorder(torch.device("mps")) is None


def test_cuda_warms_aside_and_waits_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    recorder = CudaRecorder(torch.device("cuda:1"))

    recorder.warm(lambda: cuda.told.append("work"))

    assert cuda.told == [
        "side of cuda:1 waits for main of cuda:1",
        "on side of cuda:1",
        "work",
        "off",
        "main of cuda:1 waits for side of cuda:1",
    ]


def test_what_was_begun_aside_is_waited_for_if_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    recorder = CudaRecorder(torch.device("cuda:1"))

    def fail() -> None:
        raise CannotRecordError("aten::item waits for the device")

    with pytest.raises(CannotRecordError):
        recorder.warm(fail)

    assert cuda.told[-2:] == ["off", "main of cuda:1 waits for side of cuda:1"]


def test_cuda_records_aside_in_one_pool_and_lets_other_threads_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Cuda(monkeypatch)
    recorder = find_recorder(torch.device("cuda:1"))
    assert recorder is not None
    held = (torch.zeros(3),)

    recording = recorder.capture(lambda: cuda.told.append("work"), held)
    recording.replay()

    wanted = {"pool": "pool", "stream": "side of cuda:1", "capture_error_mode": "thread_local"}
    assert cuda.told == [
        "at cuda:1",
        "on main of cuda:1",
        "empty",
        wanted,
        "work",
        "recorded",
        "off",
        "replay",
    ]
    assert recording.nbytes == 200
    assert recording.held is held  # type: ignore[attr-defined]


def test_cuda_records_one_thing_at_a_time_and_goes_on_where_it_was_if_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a recording that another thread makes, and fails at, then ours begins when it is over, and
    the thread is on its stream again.
    """
    cuda = Cuda(monkeypatch)
    cuda.free *= 2
    recorder = CudaRecorder(torch.device("cuda:1"))
    is_recording, may_end = threading.Event(), threading.Event()

    def fail() -> None:
        is_recording.set()
        assert may_end.wait(10)
        raise RuntimeError("operation not permitted when stream is capturing")

    with ThreadPoolExecutor() as threads:
        theirs = threads.submit(recorder.capture, fail, ())
        assert is_recording.wait(10)
        ours = threads.submit(recorder.capture, lambda: cuda.told.append("ours"), ())
        assert not wait([ours], 0.1).done
        may_end.set()

        assert isinstance(theirs.exception(10), RuntimeError)
        assert ours.result(10)
    assert cuda.told.index("off") < cuda.told.index("ours")


# The tape, which is CUDA where there is none: what it lets pass would be believed.


def test_a_tape_does_the_work_again_without_its_python() -> None:
    given, left = torch.arange(4.0), torch.zeros(4)
    ran = []

    def work() -> None:
        ran.append(1)
        doubled = given * 2
        doubled[1:3] += given[1:3].view(2)
        left.copy_(doubled)

    tape = TapeRecorder().capture(work, (given, left))
    assert left.tolist() == [0] * 4
    given.fill_(5)
    tape.replay()

    assert left.tolist() == [10, 15, 15, 10]
    assert ran == [1]


@pytest.mark.parametrize(
    "work",
    [
        lambda given: given.sum().item(),
        lambda given: bool((given > 1).any()),
        lambda given: int(given[0]),
        lambda given: given[given > 1],
        lambda given: given.nonzero(),
        lambda given: given.masked_select(given > 1),
        lambda given: given.unique(),
        lambda given: [0] * given.max().long(),
        lambda given: given.index_put_((given > 1,), torch.ones(2)),
    ],
)
def test_a_tape_refuses_what_waits_for_a_device(work: Any) -> None:
    given = torch.arange(4.0)

    with pytest.raises(CannotRecordError, match="waits for the device"):
        TapeRecorder().capture(lambda: work(given), (given,))


@pytest.mark.parametrize(
    "move",
    [
        lambda given: given.set_(torch.zeros(4)),
        lambda given: given.resize_(5),
        lambda given: given.t_(),
    ],
)
def test_a_tape_sees_what_was_moved(move: Any) -> None:
    given = torch.zeros(2, 2)
    tape = TapeRecorder().capture(lambda: None, (given,))

    move(given)

    with pytest.raises(AssertionError, match="was moved"):
        tape.replay()


def test_a_tape_sees_what_was_made_anew() -> None:
    recorder = TapeRecorder()
    tape = recorder.capture(lambda: None, (torch.zeros(2),))
    anew = torch.zeros(2)
    recorder.where = lambda: (anew,)

    with pytest.raises(AssertionError, match="took their place"):
        tape.replay()
