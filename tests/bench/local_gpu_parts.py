"""The parts of `local_gpu.py`: each is measured in a process of its own, where torch is.

    local_gpu_parts.py PART LOAD

prints what was found as JSON, last. PYTHONPATH: the project and tests/support.
"""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BATCHING", "CHECK", "ENGINE", "OURS", "PLAIN", "SAVE", "UNGRAPHED", "Load"]

SAVE, CHECK = "save", "beside generate, token by token"
ENGINE, UNGRAPHED = "cachesaver's engine", "cachesaver's engine, graphs off"
OURS, PLAIN, BATCHING = (
    "cachesaver local serve",
    "transformers serve",
    "transformers serve --continuous-batching",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is drawn, on what, and how long it may take."""

    shape: str
    folder: str
    device: str
    prompts: int
    length: int
    n: int
    out: int
    few: int
    """Prompts for a server that takes one request after the other; it is asked for two samples of each."""


def _save(_: str, load: Load) -> dict[str, Any]:
    """Write the model, for the servers."""
    import torch

    from serving.shapes import save

    save(load.shape, Path(load.folder), device=load.device, dtype=_dtype(load))
    return {"torch": torch.__version__, "device": _name(load)}


_FAMILIES = ("llama", "llama-eager", "qwen3", "gpt2", "mixtral")
_EQUAL = 0.95
"""Of the answers: a sum in another order may change one of them, a graph that is wrong changes all."""


def _check(_: str, load: Load) -> dict[str, Any]:
    """Draw the likeliest tokens from tiny models, in a batch that changes, and alone by `generate`."""
    import tiny

    said = _Said()
    found = {family: _agreeing(tiny.model(family).to(load.device), load) for family in _FAMILIES}
    worst = min(equal for equal, _, _ in found.values())
    if worst < _EQUAL:
        raise RuntimeError(f"answers are not those of generate: {found}")
    if load.device == "cuda" and not found["llama"][2]:
        raise RuntimeError(f"no step was a graph: {said.lines}")
    return {
        "device": _name(load),
        "said": said.lines,
        "equal": {family: each[0] for family, each in found.items()},
        "steps": {family: each[1] for family, each in found.items()},
        "graph_steps": {family: each[2] for family, each in found.items()},
    }


def _agreeing(model: Any, load: Load) -> tuple[float, int, int]:
    """Return which share of the answers is that of `generate`, the steps, and those that were graphs."""
    import contextlib

    from cachesaver.local import Params, Sizes, open_engine
    from serving.ways import Size, prompts

    vocabulary, out = int(model.config.vocab_size), load.out
    sizes = [Size(prompts=1, length=5 + 13 * at, n=1, out=out) for at in range(load.prompts)]
    texts = [each for size in sizes for each in prompts(size, vocabulary=vocabulary, seed=7)]
    likeliest = Params(temperature=0, max_tokens=out, ignore_end=True)
    with contextlib.closing(
        open_engine(model, sizes=Sizes(cells=1 << 14), graphs="auto")
    ) as engine:
        streams = [each for text in texts for each in engine.submit(text, 2, likeliest)]
        answers = [[token.id for token in stream] for stream in streams]
        stats = engine.stats()
    wanted = [_generated(model, text, out) for text in texts for _ in range(2)]
    equal = sum(one == other for one, other in zip(answers, wanted, strict=True))
    return equal / len(wanted), stats.steps, stats.graph_steps


def _generated(model: Any, text: list[int], out: int) -> list[int]:
    import torch

    given = torch.tensor([text], device=model.device)
    answer = model.generate(
        given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=out,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    said: list[int] = answer[0, len(text) :].tolist()
    return said


class _Said(logging.Handler):
    """Keeps what our engine says: why steps are no graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("cachesaver").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _bare(way: str, load: Load) -> dict[str, Any]:
    """Draw in this process."""
    import transformers

    from serving.shapes import build
    from serving.ways import WAYS, Size

    model = build(load.shape, device=load.device, dtype=_dtype(load))
    said = _Said()
    rows = load.prompts * load.n
    size, one = (
        Size(prompts=load.prompts, length=load.length, n=load.n, out=out, rows=rows)
        for out in (load.out, 1)
    )
    vocabulary = int(model.config.vocab_size)
    ours = way in (ENGINE, UNGRAPHED)
    whole, first = (_timed(WAYS[way], model, each, vocabulary, ours=ours) for each in (size, one))
    found = _figures(load, whole, first, floor=_floor(model, load))
    return (
        {"transformers": transformers.__version__}
        | found
        | ({"said": said.lines} if said.lines else {})
    )


_WARMING = 3
"""Rounds of ours that are not timed: they record graphs. Theirs is timed after one."""

_TIMED = 3
"""Rounds of ours that are timed, for their median; one of theirs, which takes half a minute."""


def _timed(way: Callable[..., Any], model: Any, size: Any, vocabulary: int, *, ours: bool) -> float:
    """Return the seconds of a round, after some others."""
    from serving.ways import prompts

    took: list[float] = []
    warming, timed = (_WARMING, _TIMED) if ours else (1, 1)
    with way(model, size) as draw:
        for seed in range(warming + timed):
            asked = prompts(size, vocabulary=vocabulary, seed=seed)
            began = time.perf_counter()
            assert draw(asked) == size.tokens
            took.append(time.perf_counter() - began)
    return statistics.median(took[warming:])


def _served(kind: str, load: Load) -> dict[str, Any]:
    """Draw over HTTP, all requests at once."""
    from serving.asking import AROUND, ask_all, text
    from serving.servers import SMALL, run

    rows = load.prompts * load.n
    few, n = (load.few, 2) if kind == PLAIN else (load.prompts, load.n)
    options: tuple[str, ...] = ("--max-batch", str(rows)) if kind == OURS else ()
    if kind == BATCHING and load.device == "cpu":
        options = SMALL
    folder = Path(load.folder)
    times: dict[int, list[float]] = {load.out: [], 1: []}
    with run(
        kind, sys.executable, folder, log=folder.with_suffix(".log"), options=options
    ) as server:
        warming, timed = (_WARMING, _TIMED) if kind == OURS else (1, 1)
        rounds = (*[load.out] * warming, 1, *[load.out] * timed, *[1] * timed)
        for seed, out in enumerate(rounds):
            asked = [text(load.length - AROUND, seed * 1000 + at) for at in range(few)]
            began = time.perf_counter()
            drawn = ask_all(
                server.url,
                server.model,
                asked,
                n=n,
                knows_n=kind == OURS,
                fields={"max_tokens": out, "temperature": 1.0},
            )
            times[out].append(time.perf_counter() - began)
            assert drawn == few * n
    whole, first = (statistics.median(times[out][-timed:]) for out in (load.out, 1))
    return _figures(load, whole, first, samples=few * n)


def _figures(
    load: Load,
    whole: float,
    first: float,
    *,
    floor: float | None = None,
    samples: int | None = None,
) -> dict[str, Any]:
    """Return rates; *whole* and *first* are seconds of all tokens, and of the first of each sample."""
    drawn = (samples or load.prompts * load.n) * load.out
    step = (whole - first) / (load.out - 1)
    found = {
        "tokens_per_second": round(drawn / whole, 1),
        "prompts_ms": round(first * 1e3, 2),
    }
    if samples is None:
        found["step_ms"] = round(step * 1e3, 3)
    if floor:
        found |= {"floor_ms": round(floor * 1e3, 3), "times_floor": round(step / floor, 2)}
    return found


def _floor(model: Any, load: Load) -> float:
    """Return the least seconds of a step: what it must read, at the bandwidth of a copy."""
    weights = sum(each.nbytes for each in model.parameters()) - (
        0 if model.config.tie_word_embeddings else model.get_input_embeddings().weight.nbytes
    )
    config = model.config
    width = config.num_key_value_heads * config.head_dim * config.num_hidden_layers
    token = 2 * width * model.dtype.itemsize
    read = weights + load.prompts * load.n * (load.length + load.out / 2) * token
    return float(read / _bandwidth(load))


def _bandwidth(load: Load) -> float:
    """Return bytes a second that a copy on the device reads and writes."""
    import torch

    size = (1 << 31) if load.device == "cuda" else (1 << 24)
    source = torch.empty(size, dtype=torch.uint8, device=load.device)
    target = torch.empty_like(source)
    took: list[float] = []
    for _ in range(6):
        began = time.perf_counter()
        target.copy_(source)
        if load.device == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return 2 * size / min(took)


def _dtype(load: Load) -> Any:
    import torch

    return torch.bfloat16 if load.device == "cuda" else torch.float32


def _name(load: Load) -> str:
    import torch

    return torch.cuda.get_device_name() if load.device == "cuda" else "cpu"


def main(part: str, load: Load) -> None:
    """Measure *part* and say what was found."""
    measure = {SAVE: _save, CHECK: _check, **dict.fromkeys((OURS, PLAIN, BATCHING), _served)}
    sys.stdout.write(json.dumps(measure.get(part, _bare)(part, load)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Load(**json.loads(sys.argv[2])))
