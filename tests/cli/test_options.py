"""The options of a session on the command line."""

from __future__ import annotations

import argparse
import inspect

from cachesaver.cli.options import add_session_options, session_options
from cachesaver.settings import settings


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_session_options(parser)
    return parser.parse_args(arguments)


def test_what_is_not_said_is_left_to_the_environment() -> None:
    said = session_options(parsed())

    assert set(said.values()) == {None}
    assert said.keys() <= inspect.signature(settings).parameters.keys()


def test_what_is_said_is_passed_on() -> None:
    given = (
        "-n",
        "a",
        "--replicate",
        "2",
        "--store",
        "pool",
        "--mode",
        "replay",
        "--host",
        "x.test",
    )
    more = ("--max-concurrency", "3", "--budget", "5", "--strict", "-q", "--run", "r")

    arguments = parsed(*given, *more)

    assert session_options(arguments) == {
        "namespace": "a",
        "replicate": 2,
        "store": "pool",
        "mode": "replay",
        "hosts": ["x.test"],
        "strict": True,
        "quiet": True,
        "max_concurrency": 3,
        "budget": "5",
    }
    assert arguments.joined == "r"
