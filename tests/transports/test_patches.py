"""Patching: what is ours is taken back, what is another's is recognised."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
import wrapt

from cachesaver.transports import patches
from cachesaver.transports.patches import (
    author,
    is_mock,
    network_is_mocked,
    patch,
    plain_function,
)

OWN = frozenset({"acme"})


def written_by(module: str, wraps: Callable[..., object] | None = None) -> Callable[..., object]:
    """Return a function whose code says it is from *module*."""
    names = {"__name__": module, "wraps": functools.wraps, "beneath": wraps}
    source = "@wraps(beneath)\ndef f(): pass" if wraps else "def f(): pass"
    exec(source, names)  # noqa: S102 - globals are what it is about
    made = names["f"]
    assert callable(made)
    return made


class Acme:
    def send(self) -> str:
        return "live"


def layer(name: str) -> Callable[..., Callable[[Acme], str]]:
    def make(original: Callable[[Acme], str], active: Callable[[], bool]) -> Callable[[Acme], str]:
        return lambda acme: f"{name}({original(acme)})" if active() else original(acme)

    return make


def test_a_patch_is_in_force_until_it_is_undone() -> None:
    original = vars(Acme)["send"]

    undo = patch(Acme, "send", layer("a"))
    during = Acme().send()
    undo()

    assert (during, Acme().send()) == ("a(live)", "live")
    assert vars(Acme)["send"] is original


def test_undoing_in_any_order_leaves_no_trace() -> None:
    """Given two layers, when the lower one goes first, then nothing is left after the upper."""
    original = vars(Acme)["send"]
    lower = patch(Acme, "send", layer("lower"))
    upper = patch(Acme, "send", layer("upper"))

    lower()
    between = Acme().send()
    upper()

    assert between == "upper(live)"
    assert vars(Acme)["send"] is original


def test_what_others_put_on_top_is_theirs_to_take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as others:
        undo = patch(Acme, "send", layer("a"))
        ours = vars(Acme)["send"]

        def top(acme: Acme) -> str:
            return f"top({ours(acme)})"

        others.setattr(Acme, "send", top)

        before = Acme().send()
        undo()
        after = Acme().send()

    assert (before, after) == ("top(a(live))", "top(live)")
    assert vars(Acme)["send"] is ours
    undo()
    assert Acme().send() == "live"
    assert vars(Acme)["send"] is not ours


def test_a_wrapper_cannot_hide_who_wrote_it() -> None:
    """Given a mock's function that `functools.wraps` has dressed up, then its author shows."""
    original = written_by("acme._client")
    dressed = written_by("vcr.stubs", wraps=original)

    assert dressed.__module__ == original.__module__
    assert (author(original), author(dressed)) == ("acme", "vcr")


@pytest.mark.parametrize(
    ("function", "mocks", "mocks_where_anyone_may_write"),
    [
        (written_by("acme._client"), False, False),
        (written_by("respx.mocks"), True, True),
        (written_by("vcr.stubs", wraps=written_by("acme")), True, True),
        (written_by("sometracer", wraps=written_by("acme")), False, False),
        (written_by("sometracer", wraps=written_by("respx")), True, True),
        (written_by("sentry_sdk.integrations"), False, False),
        (written_by("test_of_a_user"), True, False),
        (mock.Mock(), True, True),
        (mock.create_autospec(Acme.send), True, False),
    ],
)
def test_a_mock_is_known_by_its_author_or_by_wrapping_nothing(
    function: object, *, mocks: bool, mocks_where_anyone_may_write: bool
) -> None:
    assert is_mock(function, OWN) is mocks
    assert is_mock(function, None) is mocks_where_anyone_may_write


def test_a_mocked_socket_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = network_is_mocked()
    fake = type("Fake", (), {"__module__": "mocket.socket"})
    monkeypatch.setitem(sys.modules, "socket", SimpleNamespace(socket=fake))

    assert (real, network_is_mocked()) == (False, True)


# --- others about, in all orders


def proxied(name: str) -> Callable[[], None]:
    """Put a proxy of wrapt on `Acme.send`, as tracers do; return what takes it away as they do."""

    def seen(wrapped: Callable[..., str], _: object, args: Any, kwargs: Any) -> str:
        return f"{name}({wrapped(*args, **kwargs)})"

    wrapt.wrap_function_wrapper(Acme, "send", seen)

    def leave() -> None:
        there: Any = vars(Acme)["send"]
        if isinstance(there, cast("Any", wrapt).FunctionWrapper):
            setattr(Acme, "send", there.__wrapped__)  # noqa: B010  # typed as a method

    return leave


def covered(name: str) -> Callable[[], None]:
    """Put a function on `Acme.send`; return what puts back what was there."""
    before: Callable[[Acme], str] = vars(Acme)["send"]

    def above(acme: Acme) -> str:
        return f"{name}({before(acme)})"

    setattr(Acme, "send", above)  # noqa: B010  # as above

    def leave() -> None:
        setattr(Acme, "send", before)  # noqa: B010  # as above

    return leave


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("ours_leave_first", [True, False])
def test_a_tracer_sees_and_leaves_the_same_in_any_order(
    *, ours_first: bool, ours_leave_first: bool
) -> None:
    original = vars(Acme)["send"]
    ours = functools.partial(patch, Acme, "send", layer("ours"))
    theirs = functools.partial(proxied, "theirs")

    if ours_first:
        undo, leave = ours(), theirs()
    else:
        leave, undo = theirs(), ours()
    both = Acme().send()
    (undo if ours_leave_first else leave)()
    one = Acme().send()
    (leave if ours_leave_first else undo)()

    assert (both, one) == (
        "theirs(ours(live))",
        "theirs(live)" if ours_leave_first else "ours(live)",
    )
    assert vars(Acme)["send"] is original


def test_we_come_again_beneath_a_tracer() -> None:
    original, ours = vars(Acme)["send"], functools.partial(layer_of, "ours")
    first = patch(Acme, "send", ours)
    leave = proxied("theirs")
    first()
    second = patch(Acme, "send", ours)
    again = Acme().send()
    second()
    leave()

    assert again == "theirs(ours(live))"
    assert vars(Acme)["send"] is original


def layer_of(
    name: str, original: Callable[[Acme], str], active: Callable[[], bool]
) -> Callable[[Acme], str]:
    return layer(name)(original, active)


def test_a_layer_that_others_bring_to_light_takes_itself_away() -> None:
    """Given a mock that came after us, when it leaves after us, then one call clears our layer."""
    original = vars(Acme)["send"]
    undo = patch(Acme, "send", layer("ours"))
    leave = covered("theirs")
    undo()
    during = Acme().send()
    leave()

    assert (during, Acme().send()) == ("theirs(live)", "live")
    assert vars(Acme)["send"] is original


def test_a_layer_that_others_bring_to_light_serves_if_we_have_come_again() -> None:
    """Given a mock between our first layer and our second, when it leaves, then we are still there."""
    original, ours = vars(Acme)["send"], functools.partial(layer_of, "ours")
    first = patch(Acme, "send", ours)
    leave = covered("theirs")
    first()
    second = patch(Acme, "send", ours)
    between = Acme().send()
    leave()
    after = Acme().send()
    second()

    assert (between, after) == ("ours(theirs(ours(live)))", "ours(live)")
    assert vars(Acme)["send"] is original


def test_a_layer_that_somebody_names_as_wrapped_is_used_again() -> None:
    original, ours = vars(Acme)["send"], functools.partial(layer_of, "ours")
    first = patch(Acme, "send", ours)
    below = vars(Acme)["send"]

    @functools.wraps(below)
    def top(acme: Acme) -> str:
        return f"top({below(acme)})"

    setattr(Acme, "send", top)  # noqa: B010  # typed as a method
    first()
    second = patch(Acme, "send", ours)
    again = Acme().send()
    second()
    gone = Acme().send()
    setattr(Acme, "send", below)  # noqa: B010  # as above
    Acme().send()

    assert (again, gone) == ("top(ours(live))", "top(live)")
    assert vars(Acme)["send"] is original


def test_a_layer_that_is_wanted_twice_goes_with_the_last() -> None:
    original, ours = vars(Acme)["send"], functools.partial(layer_of, "ours")
    first, second = patch(Acme, "send", ours), patch(Acme, "send", ours)
    both = Acme().send()
    first()
    first()
    one = Acme().send()
    second()

    assert (both, one) == ("ours(live)", "ours(live)")
    assert vars(Acme)["send"] is original


def test_what_a_mock_takes_away_for_good_is_not_remembered() -> None:
    """Given mocks that come before us and leave before us, then nothing of us is left by any."""
    original, ours = vars(Acme)["send"], functools.partial(layer_of, "ours")
    before = len(patches._layers)
    said = list[str]()
    for _ in range(5):
        leave = covered("theirs")
        undo = patch(Acme, "send", ours)
        said.append(Acme().send())
        leave()
        undo()
        gc.collect()

    assert said == ["ours(theirs(live))"] * 5
    assert len(patches._layers) == before
    assert vars(Acme)["send"] is original


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_waits_for_nobody_of_its_parents() -> None:
    """Given a fork while another thread patches, then the child can patch."""
    program = """if True:
        import http.client, os, signal, threading
        from cachesaver.transports import patches
        held = threading.Event()
        def hold():
            with patches._lock:
                held.set()
                threading.Event().wait()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            patches.patch(http.client.HTTPConnection, "connect", lambda beneath, active: beneath)()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        os._exit(0)
    """

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "0\n"


class TestInherited:
    """A method that the class has from its base, as uvloop's loop and `socket.socket` have theirs."""

    class Heir(Acme):
        pass

    def patched(self) -> Callable[[], None]:
        module: Any = type("module", (), {"Heir": self.Heir})
        return patches.patch_all(module, [("Heir", "send", layer("a"))])

    def test_nothing_is_left(self) -> None:
        undo = self.patched()
        during = self.Heir().send()
        undo()

        assert (during, self.Heir().send()) == ("a(live)", "live")
        assert "send" not in vars(self.Heir)

    def test_the_last_of_two_leaves_nothing(self) -> None:
        first, second = self.patched(), self.patched()
        first()
        between = self.Heir().send()
        second()

        assert between == "a(live)"
        assert "send" not in vars(self.Heir)

    def test_nor_is_anything_when_somebody_on_top_has_left(self) -> None:
        """Given a guard over our layer when we leave, then the first call after its own leaving tidies."""
        undo = self.patched()
        ours = vars(self.Heir)["send"]

        def top(acme: Acme) -> str:
            return f"top({ours(acme)})"

        with mock.patch.object(self.Heir, "send", top):
            undo()
            assert self.Heir().send() == "top(live)"

        assert self.Heir().send() == "live"
        assert "send" not in vars(self.Heir)

    def test_a_proxy_keeps_something_to_lie_on(self) -> None:
        undo = self.patched()

        def seen(wrapped: Callable[[], str], *_: object) -> str:
            return f"seen({wrapped()})"

        proxies: Any = wrapt
        proxies.wrap_function_wrapper(self.Heir, "send", seen)
        undo()

        assert self.Heir().send() == "seen(live)"
        del self.Heir.send


def test_a_stand_in_for_a_coroutine_function_is_mocked_as_one() -> None:
    async def original(self: object) -> None: ...

    def stand_in(self: object) -> object:
        return original(self)

    @functools.wraps(original)
    def marked(self: object) -> object:
        return original(self)

    patches.as_coroutine_function(marked)

    async def answer(function: Callable[..., Any]) -> object:
        return await mock.create_autospec(function, return_value="said")(None)

    assert asyncio.run(answer(marked)) == "said"
    with pytest.raises(TypeError, match="await"):
        asyncio.run(answer(stand_in))


def test_without_asyncio_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio.coroutines")

    def stand_in() -> None: ...

    assert patches.as_coroutine_function(stand_in) is stand_in


def test_a_function_is_called_as_it_is_and_what_is_none_is_bound_first() -> None:
    """Given a tracer's layer that is no function, then it is told whose method it is."""

    class Layer:
        def __get__(self, instance: object, kind: type) -> Callable[..., object]:
            return lambda *args, **kwargs: (instance, kind, args, kwargs)

    def plain(instance: object, *args: object) -> object:
        return instance, args

    layer = cast("Callable[..., object]", Layer())

    assert patches.method_of(plain) is plain
    assert patches.method_of(layer)("a", 1, b=2) == ("a", str, (1,), {"b": 2})


def test_of_a_method_the_function_beneath_our_layers_is_known_for_what_it_is_for_ever() -> None:
    class Shop:
        def order(self) -> None: ...

    def layer(inner: Any, _: Callable[[], bool]) -> Any:
        @functools.wraps(inner)
        def order(self: object) -> None:
            inner(self)

        return order

    original = vars(Shop)["order"]
    alone = plain_function(Shop().order)
    undo = patch(Shop, "order", layer)
    beneath = plain_function(Shop().order)
    undo()

    assert (alone, beneath) == (original, original)


def test_what_wraps_another_or_is_no_function_is_known_for_nothing() -> None:
    def order(*_: object) -> None: ...

    def inner(*_: object) -> None: ...

    proxy: Any = cast("Any", wrapt).FunctionWrapper(order, inner)
    above = functools.wraps(proxy)(inner)

    assert [plain_function(each) for each in (proxy, above, mock.Mock(), Any, None)] == [None] * 5


def test_a_function_on_which_something_hangs_is_not_for_remembering() -> None:
    recorded = object()

    def closed(*_: object) -> object:
        return recorded

    def given(_: object = recorded) -> None: ...

    def named(*, _: object = recorded) -> None: ...

    assert [plain_function(each) for each in (closed, given, named)] == [None] * 3
