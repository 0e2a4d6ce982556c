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
    if os.environ.get("CACHESAVER_AUTOSTART") != "1" or _is_helper():
        return
    try:
        from cachesaver.wiring import install

        install()
    except ModuleNotFoundError as error:
        _do_without(
            f"{sys.executable} has no {error.name} installed: pip install cachesaver there too"
        )
    except Exception as error:  # noqa: BLE001  # nothing of ours may break a live program
        _do_without(str(error))


def _is_helper() -> bool:
    """Tell whether this process runs no code of the program: multiprocessing's resource tracker."""
    return any(
        argument.startswith("from multiprocessing.resource_tracker ") for argument in sys.orig_argv
    )


def _do_without(why: str) -> None:
    """Go on live; or, where nothing may go out unseen, end the process."""
    must = os.environ.get("CACHESAVER_MODE") == "replay" or os.environ.get("CACHESAVER_STRICT")
    what = "cannot join the run" if must else "goes on live, outside the run"
    print(f"cachesaver: process {os.getpid()} {what}: {why}", file=sys.stderr, flush=True)
    if must:
        os._exit(2)  # `site` swallows exceptions, and says of SystemExit that Python is broken


_install()
_run_the_hidden_one()
