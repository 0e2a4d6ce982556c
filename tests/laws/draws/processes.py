"""Programs of several processes, started in every way there is: `python processes.py JSON`.

Run by test_processes.py. Every process asks one question that all ask, and then one of its own about the
answer; standard output gets what each was told, a line of JSON each.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

import cachesaver

TOLD: dict[str, Any] = json.loads(sys.argv[1])

cachesaver.install(
    TOLD["namespace"], store=TOLD["store"], mode=TOLD["mode"], strict=True, quiet=True
)


def ask(question: str) -> str:
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": question}]}
    answer = httpx.post(f"{TOLD['url']}/chat/completions", json=body).json()
    return str(answer["choices"][0]["message"]["content"])


def work(who: str) -> None:
    time.sleep(random.Random(f"{TOLD['seed']} {who}").uniform(0, 0.2))  # noqa: S311  # a schedule
    first = ask("An idea?")
    line = json.dumps([who, first, ask(f"{who}: what of {first}")]) + "\n"
    os.write(1, line.encode())


def forks() -> None:
    """One after the other: they are numbered as they come."""
    work("parent")
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            work(f"child {number}")
            os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)
        work(f"parent after {number}")


def processes(method: str) -> None:
    work("parent")
    context: Any = multiprocessing.get_context(method)
    started = [context.Process(target=work, args=(f"worker {number}",)) for number in range(3)]
    for each in started:
        each.start()
    for each in started:
        each.join()
        assert each.exitcode == 0
    work("parent again")


def programs() -> None:
    """Programs that install themselves, one after the other."""
    work("parent")
    for number in range(2):
        told = json.dumps({**TOLD, "program": "one", "who": f"program {number}"})
        subprocess.run([sys.executable, __file__, told], check=True)
    work("parent again")


def ranks() -> None:
    """As torchrun and Slurm start them: by nobody who has a session, and all at once."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CACHESAVER_")}
    environment |= {"CACHESAVER_RUN": f"job {TOLD['seed']}"}
    started = list[subprocess.Popen[bytes]]()
    for number in range(3):
        told = json.dumps({**TOLD, "program": "one", "who": f"rank {number}"})
        command = [sys.executable, __file__, told]
        started.append(subprocess.Popen(command, env={**environment, "RANK": str(number)}))
    for each in started:
        assert each.wait() == 0


PROGRAMS: dict[str, Callable[[], None]] = {
    "os.fork": forks,
    "Process, forked": lambda: processes("fork"),
    "Process, spawned": lambda: processes("spawn"),
    "Process, by the fork server": lambda: processes("forkserver"),
    "subprocess": programs,
    "ranks": ranks,
    "one": lambda: work(TOLD["who"]),
}

if __name__ == "__main__":
    PROGRAMS[TOLD["program"]]()
