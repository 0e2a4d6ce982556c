"""One way to draw samples in this process, told by its input when to draw; runs where torch is.

    local_tool.py save SHAPE FOLDER
    local_tool.py draw FOLDER WAY LENGTH N OUT

The second prints "ready", then for each line that it reads, a seed, seconds of processor and of wall.
PYTHONPATH: the project and tests/support.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from serving.shapes import save
from serving.ways import WAYS, Size, prompts


def draw(folder: str, way: str, *numbers: str) -> None:
    """Draw whenever a line is read."""
    torch.set_num_threads(1)
    length, n, out = map(int, numbers)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    vocabulary = int(model.config.vocab_size)
    size = Size(prompts=1, length=length, n=n, out=out)
    with WAYS[way](model, size) as drawn:
        drawn(prompts(Size(prompts=1, length=9, n=n, out=out), vocabulary=vocabulary, seed=0))
        say("ready")
        for line in sys.stdin:
            asked = prompts(size, vocabulary=vocabulary, seed=int(line))
            used, began = time.process_time(), time.perf_counter()
            tokens = drawn(asked)
            took = (time.process_time() - used, time.perf_counter() - began)
            if tokens != size.tokens:
                raise RuntimeError(f"{way} drew {tokens} tokens, not {size.tokens}")
            say(json.dumps(took))


def say(line: str) -> None:
    """Print *line*, which somebody waits for."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(sys.argv[2], Path(sys.argv[3]))
    else:
        draw(*sys.argv[2:])
