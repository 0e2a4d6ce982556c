"""The object that stands for `vcr.VCR`: options, names and paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.vcr import VCR, use_cassette
from cachesaver.vcr.config import OPTIONS
from cachesaver.vcr.files import YAML
from vcrs import vcr


def test_every_option_of_vcrpys_is_known_with_its_default() -> None:
    theirs = vcr.config.VCR()
    unlike = {
        name
        for name, default in OPTIONS.items()
        if hasattr(theirs, name) and getattr(theirs, name) != default
    }

    assert unlike == set()
    parameters = vcr.config.VCR.__init__.__code__.co_varnames[
        1 : vcr.config.VCR.__init__.__code__.co_argcount
    ]
    assert set(parameters) <= OPTIONS.keys()


def test_an_option_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="vcrpy has no option match_onn"):
        VCR(match_onn=["method"])


def with_x(path: object) -> str:
    return f"{path}.x"


LIBRARY: dict[str, Any] = {"cassette_library_dir": "lib"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        LIBRARY,
        {**LIBRARY, "path_transformer": vcr.config.VCR.ensure_suffix(".yaml")},
        {"path_transformer": with_x},
    ],
)
@pytest.mark.parametrize("path", ["a", "lib/a.yaml", Path("b") / "a"])
def test_a_cassette_lies_where_vcrpy_puts_it(options: dict[str, Any], path: str | Path) -> None:
    merged = vcr.config.VCR(**options).get_merged_config(path=path)
    transform = merged["path_transformer"]
    expected = transform(path) if transform else path

    ours = VCR(**options)._merged(path, {})

    assert ours["placed"](path) == os.fspath(expected)


def test_what_is_registered_is_used_by_its_name() -> None:
    recorder = VCR(serializer="mine", match_on=["method", "tide"])
    serializer, persister = object(), object()

    def tide(made: Any, recorded: Any) -> bool:
        return True

    recorder.register_serializer("mine", serializer)
    recorder.register_matcher("tide", tide)
    recorder.register_persister(persister)
    told = recorder._merged("x", {})["options"]

    assert (told["serializer"], told["persister"], told["match_on"][1]) == (
        serializer,
        persister,
        tide,
    )
    assert recorder._merged("x", {"serializer": "yaml"})["options"]["serializer"] is YAML


@pytest.mark.parametrize("options", [{"serializer": "toml"}, {"match_on": ["tide"]}])
def test_what_is_not_registered_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match="doesn't exist or isn't registered"):
        VCR()._merged("x", options)


def test_options_set_later_still_count() -> None:
    recorder = VCR()
    block = recorder.use_cassette("x")
    vars(recorder)["record_mode"] = "none"

    assert block._merged()["options"]["record_mode"] == "none"


def test_a_block_needs_a_path_and_a_function_names_its_own() -> None:
    with pytest.raises(TypeError, match="needs a path"):
        use_cassette().__enter__()

    @use_cassette
    def here() -> None: ...

    assert here.__name__ == "here"


def test_several_hooks_are_asked_in_order() -> None:
    def a(response: Any) -> Any:
        return {**response, "a": len(response)}

    def drop(response: Any) -> Any:
        return None

    recorder = VCR(before_record_response=[a, a])
    assert recorder._merged("x", {})["options"]["before_record_response"]({}) == {"a": 1}
    told = recorder._merged("x", {"before_record_response": [drop, a]})["options"]
    assert told["before_record_response"]({}) is None
