"""Run agent frameworks under cachesaver and write docs/reference/frameworks.md: `make frameworks`.

    python tests/frameworks/run.py [--renew] [NAME ...]

Each framework has an environment of its own in `.cache/frameworks`, made on the first run. It needs a
package index, uv in the environment that runs this, and no key: the provider is the rehearsal.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from frameworks.catalogue import Framework, frameworks
from frameworks.environments import built_wheel, environment_of
from frameworks.playing import play
from frameworks.report import PAGE, rendered


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="make the environments anew")
    parser.add_argument("names", nargs="*", metavar="NAME", help="folders; by default all")
    chosen = parser.parse_args()
    wheel, failed = built_wheel(), False
    for framework in frameworks(*chosen.names):
        failed |= not played(framework, wheel, renew=chosen.renew)
    PAGE.write_text(rendered(), encoding="utf-8")
    return int(failed)


def played(framework: Framework, wheel: Path, *, renew: bool) -> bool:
    """Run *framework* and keep what was found; return whether it is fine."""
    say(f"{framework.key}: ...")
    try:
        result = play(framework, environment_of(framework, wheel, renew=renew))
    except Exception:  # noqa: BLE001  # the others have their turn
        say(f"{framework.key}: FAILED\n{traceback.format_exc()}")
        return False
    framework.keep(result)
    say(f"{framework.key}: {result.calls} {result.streamed} {result.through} {result.elsewhere}")
    for fault in result.faults:
        say(f"{framework.key}: {fault}")
    return not result.faults


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # what a reader waits for


if __name__ == "__main__":
    sys.exit(main())
