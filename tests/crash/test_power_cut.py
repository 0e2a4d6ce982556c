"""A power cut at any moment: what had been synced is there, of the rest any part.

The kernel tells (strace) what a program writes and syncs. From that the file of samples is built as
a disk might hold it after a cut: everything synced, and of what was not, any choice of sectors.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from cachesaver.rehearsal import Rehearsal
from cachesaver.stores.directory import MARKER, SAMPLES
from cachesaver.stores.lmdb import LmdbStore

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

PROGRAM = """
import os, sys
import httpx2
import cachesaver

with (
    cachesaver.install("a", store=sys.argv[2], quiet=True, strict=True),
    httpx2.Client(base_url=sys.argv[1], timeout=60) as client,
):
    for number in range(8):
        body = {"model": f"m{number % 3}", "messages": [{"role": "user", "content": "Say it."}]}
        answer = client.post("/v1/chat/completions", json=body).json()
        os.write(1, b"GOT " + answer["choices"][0]["message"]["content"].encode())
"""

CALL = re.compile(r"(?P<name>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?P<rest>.*)\) = (?P<result>-?\d+)")
OPENED = re.compile(r'openat\(.*"(?P<path>(\\x..)*)", (?P<flags>[A-Z_|]+).*\) = (?P<fd>\d+)<')
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def calls(trace: str) -> Iterator[str]:
    """Iterate the system calls of a trace, in the order in which they came back."""
    begun = dict[str, str]()
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
            continue
        if call.startswith("<..."):
            call = begun.pop(thread) + call.partition("resumed>")[2]
        yield call


def raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


@dataclass(slots=True)
class Disk:
    """One file: what has reached the disk, and what may or may not have."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])

    def write(self, at: int, data: bytes, *, synced: bool) -> None:
        if synced:
            self._put(self.safe, at, data)
        else:
            self.loose += [(at + n, data[n : n + SECTOR]) for n in range(0, len(data), SECTOR)]

    def sync(self) -> None:
        for at, data in self.loose:
            self._put(self.safe, at, data)
        self.loose.clear()

    def after_a_cut(self, rng: Random) -> bytes:
        """Return what the file may hold now."""
        found = bytearray(self.safe)
        for at, data in self.loose:
            if rng.random() < 0.5:
                self._put(found, at, data)
        return bytes(found)

    @staticmethod
    def _put(image: bytearray, at: int, data: bytes) -> None:
        image.extend(bytes(max(0, at + len(data) - len(image))))
        image[at : at + len(data)] = data


def moments(trace: str) -> Iterator[tuple[Disk, list[str]]]:
    """Iterate the disk and the answers that the program had, after each system call."""
    disk, answers = Disk(), list[str]()
    synced, place = set[str](), 0
    for call in calls(trace):
        if opened := OPENED.match(call):
            is_ours = raw(opened["path"]).decode().endswith(SAMPLES)
            if is_ours and "O_DSYNC" in opened["flags"]:
                synced.add(opened["fd"])
            continue
        found = CALL.match(call)
        if found is None or int(found["result"]) < 0:
            continue
        name, fd, rest = found["name"], found["fd"], found["rest"]
        data = b"".join(map(raw, TEXT.findall(rest)))
        if name == "write" and data.startswith(b"GOT "):
            answers.append(data[4:].decode())
        elif not raw(found["path"]).endswith(SAMPLES.encode()):
            continue
        elif name == "lseek":
            place = int(found["result"])
        elif name == "fdatasync":
            disk.sync()
        else:
            assert len(data) == int(found["result"]), call[:200]
            at = int(rest.rpartition(", ")[2]) if name.startswith("pwrite") else place
            disk.write(at, data, synced=fd in synced)
        yield disk, answers


@pytest.fixture
def trace(rehearsal: Rehearsal, tmp_path: Path) -> str:
    """Run the program under strace."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("needs strace(1)")
    watched = "trace=openat,pwrite64,pwritev,writev,lseek,fdatasync,write"
    told = str(tmp_path / "trace")
    strace = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", told, "-e", watched]
    ran = subprocess.run(
        [*strace, sys.executable, "-c", PROGRAM, rehearsal.url, str(tmp_path / "s")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    if "ptrace" in ran.stderr:
        pytest.skip("may not trace other processes here")
    assert ran.returncode == 0, ran.stderr
    return Path(told).read_text()


def held(folder: Path) -> list[str]:
    """Return the answers in the store in *folder*, and see that all of it reads back."""
    store = LmdbStore(folder)
    try:
        assert list(store.verify()) == []
        return [
            json.loads(sample.response.body)["choices"][0]["message"]["content"]
            for fingerprint, _ in store.questions()
            for _, sample in store.samples(fingerprint)
        ]
    finally:
        store.close()


def test_after_a_power_cut_there_is_what_callers_had(trace: str, tmp_path: Path) -> None:
    rng = Random(0)  # noqa: S311  # reproducible on purpose
    marker = (tmp_path / "s" / MARKER).read_bytes()
    cuts, answers, ready = 0, list[str](), False

    for number, (disk, answers) in enumerate(moments(trace)):
        ready = ready or bool(answers)
        if not ready:  # the file is being made, and nobody has an answer
            continue
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        (folder / MARKER).write_bytes(marker)
        (folder / SAMPLES).write_bytes(disk.after_a_cut(rng))
        assert set(answers) <= set(held(folder))
        cuts += 1

    assert len(set(answers)) == 8
    assert cuts > 30
