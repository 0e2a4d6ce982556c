"""`cachesaver rehearse`."""

from __future__ import annotations

import argparse
import re
import socket

import httpx2
import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.command import add_arguments, run


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_it_serves_until_interrupted_and_says_where(
    http: httpx2.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def interrupted() -> None:
        told = re.search(r"OPENAI_BASE_URL=(\S+)", capsys.readouterr().out)
        assert told
        url = f"{told[1]}/chat/completions"
        ask = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        asked.append(http.post(url, json=ask, headers={"authorization": "Bearer k"}).status_code)
        asked.append(http.post(url, json=ask | {"model": "other"}).status_code)
        raise KeyboardInterrupt

    arguments = parsed("--port", "0", "--voice", "echo", "--require-key", "k", "--model", "m")
    status = run(arguments, wait=interrupted)

    assert (status, asked) == (0, [200, 401])


def test_what_it_prints_a_shell_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    run(parsed("--port", "0"), wait=lambda: None)

    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("#", "export ")) for line in lines)


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        with pytest.raises(ConfigurationError, match=f"port {port} .* cannot be had"):
            run(parsed("--port", port))


def test_a_port_that_there_is_not_is_said_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="there is no port 99999"):
        run(parsed("--port", "99999"), wait=lambda: None)


def test_bad_arguments_are_told_before_anything_is_served() -> None:
    with pytest.raises(ConfigurationError, match="no latency"):
        run(parsed("--latency", "fast"))
