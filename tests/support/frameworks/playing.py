"""One framework's agent, run again and again in processes of its own: what it said, what was bought."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cachesaver.rehearsal import Rehearsal
from cachesaver.suspicion import of_address
from frameworks.catalogue import Framework, Result
from frameworks.elsewhere import Elsewhere
from frameworks.environments import versions
from frameworks.voice import agreeable

__all__ = ["play"]

PROBE = Path(__file__).with_name("probe.py")

PATIENCE = 300
"""Seconds for one act."""

Transcript = dict[str, Any]


class AgentError(Exception):
    """An agent did not end well.

    Attributes:
        stderr: What it wrote there.
    """

    def __init__(self, status: int, stderr: str) -> None:
        self.stderr = stderr
        last = next((row for row in reversed(stderr.splitlines()) if row.strip()), "")
        super().__init__(f"ended with {status}: {last[:200]}")


@dataclass(slots=True)
class Company:
    """One framework on stage: the provider, the store, and what was found so far."""

    framework: Framework
    python: Path
    provider: Rehearsal
    elsewhere: Elsewhere
    place: Path
    store: str = "whole"
    faults: list[str] = field(default_factory=list[str])

    def act(self, namespace: str, *arguments: str, mode: str = "cache") -> tuple[Transcript, int]:
        """Run the agent; return what it said, and how often the provider was called."""
        before = self.provider.calls().calls
        said = self._told(self._command(*arguments), namespace, mode)
        return said, self.provider.calls().calls - before

    def through(self) -> list[str]:
        """Run the agent on what is bought; return the packages on the way of its calls."""
        notes = self.place / "ways.json"
        self._told(self._command(probed=notes), "probed", "cache")
        ways: list[list[str]] = json.loads(notes.read_text("utf-8")) if notes.exists() else []
        return list(dict.fromkeys(name for way in ways for name in way))

    def _command(self, *arguments: str, probed: Path | None = None) -> list[str]:
        program = [str(self.framework.agent), *arguments]
        if probed is not None:
            program = [str(PROBE), str(probed), *program]
        command = [str(self.python), *program]
        if self.framework.installs:
            return command
        gateway = ["--gateway"] if self.framework.gateway else []
        return [str(self.python), "-m", "cachesaver", "run", "-q", *gateway, "--", *command]

    def _told(self, command: list[str], namespace: str, mode: str) -> Transcript:
        """Return the JSON in the last line that *command* prints."""
        done = subprocess.run(
            command,
            cwd=self.place,
            env=self._environment(namespace, mode),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode:
            raise AgentError(done.returncode, done.stderr)
        said: Transcript = json.loads(done.stdout.strip().splitlines()[-1])
        return said

    def _environment(self, namespace: str, mode: str) -> dict[str, str]:
        """Return that of a newcomer whose provider is the rehearsal, and who reaches nobody else."""
        places = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA")
        nowhere = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
        told = {
            **_kept(os.environ),
            **dict.fromkeys(places, str(self.place)),
            **dict.fromkeys(nowhere, self.elsewhere.url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **_keys(self.provider),
            "CACHESAVER_NAMESPACE": namespace,
            "CACHESAVER_MODE": mode,
            "CACHESAVER_STORE": str(self.place / self.store),
            "CACHESAVER_STRICT": "1",
            "CACHESAVER_QUIET": "1",
            "PYTHONUTF8": "1",
        }
        return {name: told[name] for name in told.keys() - set(self.framework.without)}


def _kept(inherited: Mapping[str, str]) -> dict[str, str]:
    dropped = ("CACHESAVER_", "PYTHON", "VIRTUAL_ENV")
    return {
        name: value
        for name, value in inherited.items()
        if not name.startswith(dropped) and not name.endswith(("_API_KEY", "_BASE_URL"))
    }


def _keys(provider: Rehearsal) -> dict[str, str]:
    """Return the variables that lead every SDK to *provider*."""
    return {
        "OPENAI_BASE_URL": provider.openai_url,
        "OPENAI_API_BASE": provider.openai_url,
        "OPENAI_API_KEY": "rehearsal",
        "PROVIDER_URL": provider.openai_url,
        "ANTHROPIC_BASE_URL": provider.anthropic_url,
        "ANTHROPIC_API_KEY": "rehearsal",
        "GOOGLE_GEMINI_BASE_URL": provider.gemini_url,
        "GEMINI_API_KEY": "rehearsal",
        "GOOGLE_API_KEY": "rehearsal",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider.url,
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_REGION": "us-east-1",
    }


def play(framework: Framework, python: Path) -> Result:
    """Run the agent of *framework* in all ways that the table tells of."""
    with _stage(framework, python) as company:
        streamed = whole = None
        said, cold = company.act("first")
        tools = _tools(said)
        calls = {"cold": cold, **_again(company, said)}
        through = company.through()
        if framework.streams:
            streamed, whole = _streamed(company)
        company.provider.stop()
        elsewhere = company.elsewhere.taken()
        calls["replay"] = _replayed(company, "whole", said)
        if streamed is not None and whole is not None:
            streamed["replay"] = _replayed(company, "streamed", whole, "stream")
        if not cold:
            company.faults.append("the provider was not called at all")
        if framework.tools and not tools:
            company.faults.append("no tool was called")
        refused = elsewhere - company.elsewhere.taken()
        if held := {host for host in refused if not of_address(host, None)}:
            company.faults.append(f"replay: {', '.join(sorted(held))} was not called any more")
        return Result(
            date=dt.datetime.now(tz=dt.UTC).date().isoformat(),
            python=platform.python_version(),
            versions=versions(python, framework.packages),
            through=through,
            calls=calls,
            streamed=streamed,
            tools=tools,
            pieces=whole["pieces"] if whole else 0,
            elsewhere=sorted(elsewhere),
            refused=sorted(refused),
            faults=company.faults,
            program=framework.program,
        )


@contextmanager
def _stage(framework: Framework, python: Path) -> Generator[Company]:
    with (
        tempfile.TemporaryDirectory(prefix="cachesaver-framework-") as folder,
        Rehearsal(seed=0, voice=agreeable) as provider,
        Elsewhere() as elsewhere,
    ):
        yield Company(framework, python, provider, elsewhere, Path(folder))


def _again(company: Company, said: Transcript, *arguments: str) -> dict[str, int]:
    """Run it in the same namespace and in a fresh one; both must say *said* and cost nothing."""
    return {
        act: _repeated(company, act, said, namespace, *arguments)
        for act, namespace in (("again", "first"), ("fresh", "second"))
    }


def _streamed(company: Company) -> tuple[dict[str, int], Transcript]:
    _, whole = company.act("streaming", "stream")
    company.store = "streamed"
    said, cold = company.act("first", "stream")
    if said["pieces"] < 2:  # else it is no stream
        company.faults.append("the stream did not come in pieces")
    return {"cold": cold, **_again(company, said, "stream"), "whole": whole}, said


def _replayed(company: Company, store: str, said: Transcript, *arguments: str) -> int:
    company.store = store
    return _repeated(company, "replay", said, "third", *arguments, mode="replay")


def _repeated(
    company: Company,
    act: str,
    said: Transcript,
    namespace: str,
    *arguments: str,
    mode: str = "cache",
) -> int:
    """Run it once more; return how often the provider was called, and note what is not as before."""
    name = " ".join((act, *arguments))
    try:
        other, calls = company.act(namespace, *arguments, mode=mode)
    except AgentError as error:
        company.faults.append(f"{name}: {error}")
        sys.stderr.write(error.stderr)
        return 0
    if calls:
        company.faults.append(f"{name}: {calls} calls reached the provider")
    if said != other:
        company.faults.append(f"{name}: the transcript is another one")
        sys.stderr.write(f"{json.dumps(said)}\n{json.dumps(other)}\n")
    return calls


def _tools(said: Transcript) -> int:
    """Count the calls of tools that have a result in the transcript."""
    asked = [str(call["id"]) for each in said["messages"] for call in each.get("calls") or ()]
    given = {str(each.get("result_of")) for each in said["messages"]}
    return sum(1 for each in asked if each in given)
