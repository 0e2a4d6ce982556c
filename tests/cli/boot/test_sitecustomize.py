"""What every Python under `cachesaver run` does first: joins, or says why not, and steps aside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import cachesaver
from cachesaver.cli.run import BOOT

Boot = Callable[..., subprocess.CompletedProcess[str]]

SESSION = "import cachesaver; print(cachesaver.current_session() is not None)"


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    """Return a function that runs Python code as a child of `cachesaver run` would be."""

    def run(
        code: str,
        *options: str,
        path: tuple[object, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if "CACHESAVER" not in name}
        root = Path(str(cachesaver.__file__)).parents[1]
        told = {
            "CACHESAVER_AUTOSTART": "1",
            "CACHESAVER_STORE": str(tmp_path / "pool"),
            "PYTHONPATH": os.pathsep.join(map(str, (BOOT, *path, root))),
        }
        return subprocess.run(
            [sys.executable, *options, "-c", code],
            env={**kept, **told, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_a_session_is_there_before_the_program(boot: Boot) -> None:
    done = boot(SESSION)

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_nothing_happens_unless_told(boot: Boot) -> None:
    done = boot("import sys; print('cachesaver' in sys.modules)", env={"CACHESAVER_AUTOSTART": ""})

    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_sitecustomize_of_the_users_runs_after_ours(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"{SESSION}\nname = 'the user'")

    done = boot("import sitecustomize; print(sitecustomize.name)", path=(tmp_path,))

    assert (done.stdout, done.stderr) == ("True\nthe user\n", "")


def test_isolated_python_stays_outside(boot: Boot) -> None:
    """Given -I, which ignores PYTHONPATH, then there is no session: the help of `run` says so."""
    done = boot("import sys; print('cachesaver.wiring' in sys.modules)", "-I")

    assert (done.stdout, done.stderr) == ("False\n", "")


def test_the_resource_tracker_of_multiprocessing_is_left_alone(boot: Boot) -> None:
    done = boot(
        "from multiprocessing.resource_tracker import sys; print('cachesaver' in sys.modules)"
    )

    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder whose `cachesaver` cannot be imported, as in an environment without it."""
    (tmp_path / "cachesaver.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'cachesaver'\", name='cachesaver')"
    )
    return tmp_path


def test_a_python_without_cachesaver_goes_on_with_a_warning(boot: Boot, stranger: Path) -> None:
    done = boot("print('done')", path=(stranger,))

    assert (done.stdout, done.returncode) == ("done\n", 0)
    assert "goes on live, outside the run: " in done.stderr
    assert "has no cachesaver installed: pip install cachesaver there too" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("told", [{"CACHESAVER_MODE": "replay"}, {"CACHESAVER_STRICT": "1"}])
def test_where_nothing_may_go_out_unseen_it_ends(
    boot: Boot, stranger: Path, told: dict[str, str]
) -> None:
    done = boot("print('done')", path=(stranger,), env=told)

    assert (done.stdout, done.returncode) == ("", 2)
    assert "cannot join the run: " in done.stderr


def test_a_store_that_is_gone_is_a_warning_too(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / "pool").write_text("a file now")

    going = boot("print('done')")
    ending = boot("print('done')", env={"CACHESAVER_MODE": "replay"})

    assert (going.stdout, going.returncode) == ("done\n", 0)
    assert "is not a directory" in going.stderr
    assert (ending.stdout, ending.returncode) == ("", 2)
