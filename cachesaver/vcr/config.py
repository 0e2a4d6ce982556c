"""What stands for `vcr.VCR`: options, registered matchers and serializers, and the cassettes they make."""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, overload

from cachesaver.errors import ConfigurationError
from cachesaver.vcr import filters
from cachesaver.vcr.blocks import CassetteBlock
from cachesaver.vcr.cassette import checked_mode
from cachesaver.vcr.files import JSON, YAML, FilesystemPersister
from cachesaver.vcr.matchers import DEFAULT, MATCHERS, Matcher

__all__ = ["OPTIONS", "VCR", "use_cassette"]

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        # https://vcrpy.readthedocs.io/en/latest/configuration.html and advanced.html (vcrpy 9.4), with
        # vcrpy's defaults
        "allow_playback_repeats": False,
        "after_load_interaction": None,
        "before_record": None,
        "before_record_request": None,
        "before_record_response": None,
        "before_save_interaction": None,
        "cassette_library_dir": None,
        "custom_patches": (),
        "decode_compressed_response": False,
        "drop_unused_requests": False,
        "filter_headers": (),
        "filter_nested_post_data_parameters": False,
        "filter_post_data_parameters": (),
        "filter_query_parameters": (),
        "filter_sensitive_data": (),
        "func_path_generator": None,
        "ignore_hosts": (),
        "ignore_localhost": False,
        "inject_cassette": False,
        "match_on": DEFAULT,
        "path_transformer": None,
        "record_mode": "once",
        "record_on_exception": True,
        "serializer": "yaml",
        "skip_patchers": (),
    }
)
"""Options of a VCR, and of each of its cassettes. `custom_patches` and `skip_patchers` say how vcrpy
intercepts; here they are taken and mean nothing."""

_OF_CASSETTES: Final = ("additional_matchers", "path", "persister")


class VCR:
    """Options that several cassettes share; each is an attribute, and may be set on the object.

    Used like::

        vcr = VCR(cassette_library_dir="tests/cassettes", filter_headers=["authorization"])
        with vcr.use_cassette("greeting.yaml") as cassette:
            ...
        assert cassette.all_played

    Args:
        options: See `OPTIONS`.

    Raises:
        ConfigurationError: There is no such option.
    """

    def __init__(self, **options: Any) -> None:
        if unknown := options.keys() - OPTIONS.keys():
            raise ConfigurationError(
                f"vcrpy has no option {', '.join(sorted(unknown))}; it has {', '.join(OPTIONS)}."
            )
        for name, default in OPTIONS.items():
            setattr(self, name, options.get(name, default))
        self.serializers: dict[str, Any] = {"yaml": YAML, "json": JSON}
        self.matchers: dict[str, Matcher] = dict(MATCHERS)
        self.persister: Any = FilesystemPersister()

    @staticmethod
    def ensure_suffix(suffix: str) -> Callable[[Any], str]:
        """Return what adds *suffix* to paths that do not end in it."""

        def ensure(path: Any) -> str:
            text: str = os.fspath(path)
            return text if text.endswith(suffix) else text + suffix

        return ensure

    def register_serializer(self, name: str, serializer: Any) -> None:
        """Let *serializer* be used by the name it is given."""
        self.serializers[name] = serializer

    def register_matcher(self, name: str, matcher: Matcher) -> None:
        """Let *matcher* be named in `match_on`."""
        self.matchers[name] = matcher

    def register_persister(self, persister: Any) -> None:
        """Let *persister* load and save all cassettes."""
        self.persister = persister

    @overload
    def use_cassette(self, path: F) -> F: ...
    @overload
    def use_cassette(
        self, path: str | os.PathLike[str] | None = None, **options: Any
    ) -> CassetteBlock: ...
    def use_cassette(self, path: Any = None, **options: Any) -> Any:
        """Return a block, or a decorator, in which requests are answered from the cassette at *path*.

        As a decorator it may be without a path: then the cassette has the name of the function.
        Options that are set on this object later still count.
        """
        if path is not None and not isinstance(path, str | os.PathLike):
            return self.use_cassette(**options)(path)
        return CassetteBlock(lambda: self._merged(path, options))

    def _merged(self, path: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a block needs to make its cassette."""
        own = {name: getattr(self, name) for name in OPTIONS}
        chosen = {**own, "persister": self.persister, "additional_matchers": (), **options}
        save, load = _interaction_hooks(chosen)
        return {
            "path": path,
            "named": _naming(chosen),
            "placed": _placing(chosen),
            "record_on_exception": chosen["record_on_exception"],
            "options": {
                "serializer": self._known(self.serializers, chosen["serializer"], "serializer"),
                "persister": chosen["persister"],
                "match_on": [
                    self._known(self.matchers, name, "matcher")
                    for name in (*chosen["match_on"], *chosen["additional_matchers"])
                ],
                "record_mode": checked_mode(chosen["record_mode"]),
                "before_record_request": _before_record_request(chosen, options),
                "before_record_response": _before_record_response(chosen),
                "before_save_interaction": save,
                "after_load_interaction": load,
                "inject": chosen["inject_cassette"],
                "allow_playback_repeats": chosen["allow_playback_repeats"],
                "drop_unused_requests": chosen["drop_unused_requests"],
            },
        }

    @staticmethod
    def _known(registered: Mapping[str, Any], name: Any, kind: str) -> Any:
        try:
            return registered[name]
        except KeyError:
            raise KeyError(f"{kind} {name} doesn't exist or isn't registered") from None


def _hooks(given: Any) -> list[Any]:
    """Return one function, several or None as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, Iterable) else [given]


def _interaction_hooks(chosen: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    save, load = _hooks(chosen["before_save_interaction"]), _hooks(chosen["after_load_interaction"])
    if chosen["filter_sensitive_data"]:
        hide, restore = filters.sensitive(chosen["filter_sensitive_data"])
        return [*save, hide], [restore, *load]
    return save, load


def _naming(chosen: Mapping[str, Any]) -> Callable[[Any], str]:
    """Return what names the cassette of a decorated function."""
    if chosen["func_path_generator"]:
        return chosen["func_path_generator"]  # type: ignore[no-any-return]
    if chosen["cassette_library_dir"]:
        return lambda function: str(function.__name__)
    return lambda function: str(Path(inspect.getfile(function)).parent / function.__name__)


def _placing(chosen: Mapping[str, Any]) -> Callable[[Any], str]:
    """Return what makes the path of a cassette of what it is called."""
    transform, library = chosen["path_transformer"], chosen["cassette_library_dir"]

    def place(path: Any) -> str:
        text: str = os.fspath(transform(path) if transform else path)
        folder: str = os.fspath(library) if library else ""
        return text if text.startswith(folder) else os.path.join(folder, text)  # noqa: PTH118  # text

    return place


def _before_record_request(chosen: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return the filter of requests: the options' own, and then the user's."""
    own = list[filters.RequestFilter]()
    if chosen["filter_headers"]:
        own.append(filters.headers(chosen["filter_headers"]))
    if chosen["filter_query_parameters"]:
        own.append(filters.queries(chosen["filter_query_parameters"]))
    if chosen["filter_post_data_parameters"]:
        nested = bool(chosen["filter_nested_post_data_parameters"])
        own.append(filters.bodies(chosen["filter_post_data_parameters"], nested=nested))
    ignored = {*chosen["ignore_hosts"], *(filters.LOCALHOST if chosen["ignore_localhost"] else ())}
    if ignored:
        own.append(filters.hosts(ignored))
    by_cassette = options.get("before_record_request", options.get("before_record"))
    theirs = by_cassette or chosen["before_record_request"] or chosen["before_record"]
    every = [*own, *_hooks(theirs)]

    def filtered(request: Any) -> Any:
        request = copy.deepcopy(request)
        for each in every:
            if request is None:
                break
            request = each(request)
        return request

    return filtered if every else _itself


def _before_record_response(chosen: Mapping[str, Any]) -> Any:
    decode = [filters.undo_coding] if chosen["decode_compressed_response"] else []
    every = [*decode, *_hooks(chosen["before_record_response"])]

    def filtered(response: Any) -> Any:
        for each in every:
            if response is None:
                break
            response = each(response)
        return response

    return filtered


def _itself(request: Any) -> Any:
    return request


use_cassette = VCR().use_cassette
"""As `VCR.use_cassette`, with vcrpy's defaults."""
