"""`cachesaver local serve`: a model on one's own machine, behind OpenAI's API.

    cachesaver local serve --model Qwen/Qwen3-0.6B
    export OPENAI_BASE_URL=http://127.0.0.1:8126/v1 OPENAI_API_KEY=none

Each prompt is read once for all samples that are asked for after it, and each sample can be drawn again
from its seed. The header x-cachesaver-first-index: K asks for the samples of a seed from K on.
Needs the extra: pip install 'cachesaver[local]'
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
from typing import Any

from cachesaver.errors import ConfigurationError

__all__ = ["HELP", "KEY", "add_arguments", "run"]

HELP = "serve a model of transformers on this machine, behind OpenAI's API"

KEY = "CACHESAVER_LOCAL_KEY"
"""What every request must bring, where the command line should not tell it."""

_TURN = 5e-4
"""Seconds that a thread may keep the others waiting; Python's own are more than a small model's step."""

_NEEDED = frozenset({"torch", "transformers", "starlette", "uvicorn", "pydantic"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver local` takes."""
    add = parser.add_argument
    add("deed", choices=("serve",), help="what to do; there is one thing")
    add("--model", required=True, action="append", help="a folder or an id on the hub; repeatable")
    add("--name", help="what requests call the model (its id, or its folder's name)")
    add("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    add("--port", type=int, default=8126, help="0 for any that is free (%(default)s)")
    add("--api-key", help=f"what every request must bring; better in {KEY}, where nobody sees it")
    add("--device", default="auto", help="such as cpu, cuda:1 or mps (a GPU where there is one)")
    add("--dtype", default="auto", help="such as bfloat16 (as the model was saved)")
    add("--max-batch", type=int, default=64, help="samples that are drawn together (%(default)s)")
    add(
        "--max-waiting",
        type=int,
        help="samples that may wait for a place; who asks then is told to come back (as many as come)",
    )
    add("--context", type=int, help="tokens of prompt and answer together (as the model says)")
    add(
        "--engine",
        choices=("auto", "slot", "group", "cb"),
        default="auto",
        help="how to draw: slot is faster, group runs what has windows or states, cb is transformers' "
        "continuous batching, for who has flash attention (%(default)s)",
    )
    add(
        "--graphs",
        choices=("auto", "off"),
        default="auto",
        help="steps as graphs of CUDA, where there is one and the model can be recorded (%(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if arguments.name and len(arguments.model) > 1:
        raise ConfigurationError("--name names one model, and there are several: leave it out")
    server = _server(arguments)
    stopped = threading.Event()

    def stop(_: int, __: object) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    _leave_the_engine_alone()
    server.start()
    try:
        sys.stdout.write(_directions(server.openai_url, arguments.api_key or os.environ.get(KEY)))
        sys.stdout.flush()
        stopped.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0


def _leave_the_engine_alone() -> None:
    """Keep its thread from waiting for the others, in this process, which only serves.

    It has to get on within a step of the model, and asks for the interpreter many times in each. What
    was loaded is never looked at again for garbage: with torch that halts all threads for 0.2 s and more.
    """
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()


def _server(arguments: argparse.Namespace) -> Any:
    """Return the server with its models; they are loaded when the door is known to be all right."""
    try:
        from cachesaver.local.app.door import Door
        from cachesaver.local.loading import load
        from cachesaver.local.server import Server
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise ConfigurationError(
            f"a local model needs {error.name}, which is not installed. Install it with:\n"
            "    pip install 'cachesaver[local]'"
        ) from error
    from cachesaver.local.engine import Sizes

    key = arguments.api_key or os.environ.get(KEY)
    Door(key, arguments.host)
    sizes = Sizes(
        rows=arguments.max_batch, context=arguments.context, waiting=arguments.max_waiting
    )
    models = [
        load(
            model,
            name=arguments.name,
            device=arguments.device,
            dtype=arguments.dtype,
            kind=arguments.engine,
            sizes=sizes,
            graphs=arguments.graphs,
        )
        for model in arguments.model
    ]
    try:
        return Server(models, host=arguments.host, port=arguments.port, key=key)
    except OSError as error:
        where = f"port {arguments.port} of {arguments.host}"
        raise ConfigurationError(
            f"{where} cannot be had ({error.strerror}); try --port 0"
        ) from error


def _directions(url: str, key: str | None) -> str:
    """Return what to put where, as lines a shell can read; the key is not told."""
    said = "the key it was started with" if key else "any"
    return (
        f"# local models are served at {url} (Ctrl-C ends it)\n"
        f"export OPENAI_BASE_URL={url} OPENAI_API_KEY={'...' if key else 'none'}  # {said}\n"
    )
