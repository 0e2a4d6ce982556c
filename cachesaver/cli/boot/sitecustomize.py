"""Run by every Python that `cachesaver run` starts, before the program: installs, then steps aside.

Another sitecustomize that this one hides is run as it would have been.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # pathlib costs 10 ms


def _run_the_hidden_one() -> None:
    rest = [place for place in sys.path if os.path.abspath(place or ".") != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def _install() -> None:
    if os.environ.get("CACHESAVER_AUTOSTART") != "1":
        return
    try:
        from cachesaver.wiring import install
    except ImportError:
        print(  # there is no logging yet
            f"cachesaver: {sys.executable} has no cachesaver installed, so its calls go out live. "
            "Install it there too: pip install cachesaver",
            file=sys.stderr,
        )
        return
    install()


_install()
_run_the_hidden_one()
