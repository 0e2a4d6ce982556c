"""A watched module is told about once, whenever it comes, and nothing stays behind."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cachesaver.importing import ImportWatch

NAME = "cachesaver_watched_module"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{NAME}.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield NAME
    sys.modules.pop(NAME, None)


@pytest.fixture
def watch() -> Iterator[ImportWatch]:
    watch = ImportWatch()
    yield watch
    watch.stop()


def test_a_module_that_is_there_is_told_at_once(module: str, watch: ImportWatch) -> None:
    importlib.import_module(module)
    seen = list[ModuleType]()

    watch.start({module: seen.append})

    assert [each.__name__ for each in seen] == [module]


def test_a_module_that_comes_later_is_told_complete_and_once(
    module: str, watch: ImportWatch
) -> None:
    seen = list[int]()
    watch.start({module: lambda each: seen.append(each.VALUE)})
    assert seen == []

    imported = importlib.import_module(module)
    importlib.reload(imported)

    assert seen == [1]


def test_the_module_keeps_no_trace_of_being_watched(module: str, watch: ImportWatch) -> None:
    watch.start({module: lambda each: None})

    imported = importlib.import_module(module)

    plain = importlib.util.find_spec(module)
    assert plain is not None
    assert imported.__spec__ is not None
    assert type(imported.__spec__.loader) is type(plain.loader)
    assert type(imported.__loader__) is type(plain.loader)


def test_an_alias_leaves_the_module_its_own_loader(
    module: str, monkeypatch: pytest.MonkeyPatch, watch: ImportWatch
) -> None:
    """Given a name that stands for another module, as httpx can for httpx2, then that keeps its own."""
    real = importlib.import_module(module)
    loader, spec = real.__loader__, real.__spec__

    class Alias:
        def find_spec(self, name: str, path: object = None, target: object = None) -> object:
            return ModuleSpec(name, self) if name == f"{module}_alias" else None  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

        def create_module(self, spec: object) -> ModuleType:
            return real

        def exec_module(self, given: ModuleType) -> None:
            given.__spec__ = spec

    monkeypatch.setattr(sys, "meta_path", [Alias(), *sys.meta_path])
    watch.start({f"{module}_alias": lambda each: None})

    monkeypatch.delitem(sys.modules, f"{module}_alias", raising=False)
    assert importlib.import_module(f"{module}_alias") is real
    assert (real.__loader__, real.__spec__) == (loader, spec)
    assert spec is not None
    assert spec.loader is loader


@pytest.fixture
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module whose import waits for the event `go` of the module that is given here."""
    control = ModuleType("cachesaver_control")
    control.__dict__.update(begun=threading.Event(), go=threading.Event(), act=lambda: None)
    monkeypatch.setitem(sys.modules, control.__name__, control)
    (tmp_path / f"{NAME}.py").write_text(
        "import cachesaver_control as c\nc.begun.set()\nc.act()\nassert c.go.wait(20)\nVALUE = c.value\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield control
    sys.modules.pop(NAME, None)


def test_a_module_that_another_thread_is_importing_is_told_when_it_is_complete(
    slow_module: Any, watch: ImportWatch
) -> None:
    seen = list[int]()
    slow_module.value = 1
    thread = threading.Thread(target=importlib.import_module, args=(NAME,))
    thread.start()
    assert slow_module.begun.wait(20)

    watch.start({NAME: lambda each: seen.append(each.VALUE)})
    before = list(seen)
    slow_module.go.set()
    thread.join()

    assert (before, seen) == ([], [1])
    assert type(sys.modules[NAME].__spec__) is ModuleSpec


def test_a_module_in_whose_import_the_watch_begins_is_told_when_it_is_complete(
    slow_module: Any, watch: ImportWatch
) -> None:
    seen = list[int]()
    slow_module.value = 1
    slow_module.go.set()
    slow_module.act = lambda: watch.start({NAME: lambda each: seen.append(each.VALUE)})

    importlib.import_module(NAME)

    assert seen == [1]


def test_a_module_whose_import_fails_after_the_watch_began_is_not_told(
    slow_module: Any, watch: ImportWatch
) -> None:
    seen = list[ModuleType]()
    slow_module.go.set()  # it has no value
    slow_module.act = lambda: watch.start({NAME: seen.append})

    with pytest.raises(AttributeError):
        importlib.import_module(NAME)

    assert seen == []


def test_a_watched_module_that_a_finder_imports_while_it_looks_for_another_is_told(
    module: str, monkeypatch: pytest.MonkeyPatch, watch: ImportWatch
) -> None:
    """Given finders that import what they need when they are asked, then that is seen as well."""
    seen = list[ModuleType]()

    class Needy:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "cachesaver_no_such_module":
                importlib.import_module(module)

    monkeypatch.setattr(sys, "meta_path", [Needy(), *sys.meta_path])
    watch.start({module: seen.append, "cachesaver_no_such_module": seen.append})

    assert importlib.util.find_spec("cachesaver_no_such_module") is None
    assert [each.__name__ for each in seen] == [module]


class TestAModuleThatComesWhileAnotherIsTold:
    """Given a module that imports a watched one, and is what both are told to."""

    @pytest.fixture
    def adapter(self, module: str, tmp_path: Path) -> Iterator[str]:
        (tmp_path / "cachesaver_adapter.py").write_text(f"import {module}\ndef hook(each): ...\n")
        yield "cachesaver_adapter"
        sys.modules.pop("cachesaver_adapter", None)

    def test_it_is_told_when_the_other_is_done(
        self, module: str, adapter: str, tmp_path: Path, watch: ImportWatch
    ) -> None:
        (tmp_path / "cachesaver_first.py").write_text("")
        done = list[str]()

        def tell(each: ModuleType) -> None:
            importlib.import_module(adapter).hook(each)
            done.append(each.__name__)

        watch.start({"cachesaver_first": tell, module: tell})
        importlib.import_module("cachesaver_first")
        del sys.modules["cachesaver_first"]

        assert done == ["cachesaver_first", module]

    def test_it_is_told_also_where_the_other_is_interrupted(
        self, module: str, tmp_path: Path, watch: ImportWatch
    ) -> None:
        (tmp_path / "cachesaver_first.py").write_text("")
        (tmp_path / "cachesaver_next.py").write_text("")
        seen = list[str]()

        def interrupted(each: ModuleType) -> None:
            importlib.import_module(module)
            raise KeyboardInterrupt

        def note(each: ModuleType) -> None:
            seen.append(each.__name__)

        watch.start({"cachesaver_first": interrupted, module: note, "cachesaver_next": note})
        with pytest.raises(KeyboardInterrupt):
            importlib.import_module("cachesaver_first")
        assert seen == [module]
        importlib.import_module("cachesaver_next")
        del sys.modules["cachesaver_next"]

        assert seen == [module, "cachesaver_next"]


def test_stopping_leaves_no_trace(module: str) -> None:
    before = list(sys.meta_path)
    watch, seen = ImportWatch(), list[ModuleType]()
    watch.start({module: seen.append})

    watch.stop()
    importlib.import_module(module)

    assert sys.meta_path == before
    assert seen == []


def test_a_module_that_is_not_there_is_missing_as_ever(watch: ImportWatch) -> None:
    watch.start({"cachesaver_no_such_module": lambda each: None})

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("cachesaver_no_such_module")


def test_a_module_that_fails_to_import_fails_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: ImportWatch
) -> None:
    (tmp_path / "cachesaver_broken_module.py").write_text("1 / 0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    seen = list[ModuleType]()
    watch.start({"cachesaver_broken_module": seen.append})

    with pytest.raises(ZeroDivisionError):
        importlib.import_module("cachesaver_broken_module")

    assert seen == []


def test_threads_that_import_together_are_told_once(module: str, watch: ImportWatch) -> None:
    seen = list[ModuleType]()
    watch.start({module: seen.append})
    threads = [threading.Thread(target=importlib.import_module, args=(module,)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 1


def test_two_watches_of_one_module_leave_it_its_own_loader(module: str, watch: ImportWatch) -> None:
    """Given another watch for the same module, then both are told and neither stays behind."""
    other, seen = ImportWatch(), list[str]()
    try:
        watch.start({module: lambda each: seen.append("first")})
        other.start({module: lambda each: seen.append("second")})

        imported = importlib.import_module(module)
    finally:
        other.stop()

    assert sorted(seen) == ["first", "second"]
    assert imported.__spec__ is not None
    for loader in (imported.__loader__, imported.__spec__.loader):
        assert type(loader).__module__ != "cachesaver.importing"


def test_all_who_watch_a_module_whose_import_is_under_way_are_told(
    module: str, tmp_path: Path
) -> None:
    """Given several watches that began, and one that ended, in the middle of it, then all others hear."""
    told = list[str]()
    watches = {name: ImportWatch() for name in ("hooks", "gone", "tripwire")}

    def begin() -> None:
        for name, watch in watches.items():
            watch.start({NAME: functools.partial(tell, name)})
        watches["gone"].stop()

    def tell(name: str, _: ModuleType) -> None:
        told.append(name)

    (tmp_path / f"{NAME}.py").write_text(f"import {NAME}_begins\n{NAME}_begins.begin()\n")
    helper: Any = ModuleType(f"{NAME}_begins")
    helper.begin = begin
    sys.modules[helper.__name__] = helper
    try:
        found = importlib.import_module(module)
    finally:
        del sys.modules[helper.__name__]
        for watch in watches.values():
            watch.stop()

    assert sorted(told) == ["hooks", "tripwire"]
    assert type(found.__spec__) is ModuleSpec
