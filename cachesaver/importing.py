"""Being told when a module has been imported, now or later, without importing it.

Python offers no event for it: a finder at the head of `sys.meta_path` finds nothing itself, lets
the others find, and wraps the loader of the modules that are watched (PEP 451). Both have the methods
that Python calls and no base class: `importlib.abc` alone would cost as much as all the rest of us.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

__all__ = ["ImportWatch"]

Seen = Callable[[ModuleType], None]


class _Looking(threading.local):
    """Modules that the other finders are being asked for in this thread."""

    def __init__(self) -> None:
        self.names = set[str]()


class _Telling(threading.local):
    """What is to be told in this thread when what is being told is over; None: nothing is."""

    def __init__(self) -> None:
        self.then: ExitStack | None = None

    def is_over(self) -> None:
        self.then = None


class ImportWatch:
    """Calls a function once for each watched module that is imported."""

    def __init__(self) -> None:
        self._wanted: dict[str, Seen] = {}
        self._looking = _Looking()
        self._telling = _Telling()

    def start(self, wanted: Mapping[str, Seen]) -> None:
        """Call `wanted[name](module)` for what is imported already, and for the rest when it is."""
        self._wanted = dict(wanted)
        sys.meta_path.insert(0, self)
        for name in wanted:
            module = sys.modules.get(name)
            spec = getattr(module, "__spec__", None)
            if module is None:
                continue
            if isinstance(spec, ModuleSpec) and getattr(spec, "_initializing", False):
                _when_over(spec, functools.partial(self._over, module))
            else:
                self.seen(module)

    def stop(self) -> None:
        """Leave no trace."""
        self._wanted.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def _over(self, module: ModuleType) -> None:
        if sys.modules.get(module.__name__) is module:  # else its import failed
            self.seen(module)

    def seen(self, module: ModuleType) -> None:
        """Tell about *module*, if nobody has been told yet.

        Whoever is told of one module may import what he needs, and with it another module that is
        watched. Of that he is told when he is done: what he needs is half imported until then.
        """
        tell = self._wanted.pop(module.__name__, None)
        if tell is None:
            return
        if self._telling.then is not None:
            self._telling.then.callback(tell, module)
            return
        with ExitStack() as then:
            then.callback(self._telling.is_over)  # the first in is the last out
            then.callback(tell, module)
            self._telling.then = then

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec the others find, with a loader that tells us when it is done."""
        if fullname not in self._wanted or fullname in self._looking.names:
            return None
        self._looking.names.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking.names.discard(fullname)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        spec.loader = cast("Any", _Told(spec.loader, self))
        return spec


def _when_over(spec: ModuleSpec, tell: Callable[[], None]) -> None:
    """Call *tell* when the import of the module of *spec*, which is under way, is over.

    Another thread may be at it, or this one further up. All that Python does when it is over is to
    set an attribute of the spec, so that is what has to tell.
    """
    kind = type(spec)

    class Watched(kind):  # type: ignore[valid-type,misc]  # as the spec is
        @property
        def _initializing(self) -> bool:
            return bool(self.__dict__["_initializing"])

        @_initializing.setter
        def _initializing(self, value: bool) -> None:
            self.__dict__["_initializing"] = value
            if not value:
                over()

    def over() -> None:
        spec.__class__ = kind
        setattr(spec, "_initializing", False)  # another watch that lies beneath is told as well  # noqa: B010
        tell()

    spec.__class__ = Watched
    if not spec.__dict__["_initializing"]:  # it ended in between
        over()


class _Told:
    """A loader that does what *inner* does, and then tells *watch*."""

    def __init__(self, inner: Any, watch: ImportWatch) -> None:
        self.inner = inner
        self._watch = watch

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Do as the inner loader does."""
        return cast("ModuleType | None", self.inner.create_module(spec))

    def exec_module(self, module: ModuleType) -> None:
        """Do as the inner loader does; then the module is there and gets its own loader back."""
        self.inner.exec_module(module)
        own: Any = self.inner
        while isinstance(own, _Told):  # another watch wants the same module
            own = own.inner
        # Only what is ours: an alias (httpx2 has one for httpx) shows the module of another name.
        if module.__spec__ is not None and cast("object", module.__spec__.loader) is self:
            module.__spec__.loader = own
        if cast("object", module.__loader__) is self:
            module.__loader__ = own
        self._watch.seen(module)
