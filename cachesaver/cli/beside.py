"""A gateway beside the program that `cachesaver run` becomes: started before it, and ended with it.

It is no child of the program, which might wait for all its children, and no part of its session or
terminal, whose signals are the program's. It watches the process instead.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence

from cachesaver.cli.gateway import BESIDE, KEY
from cachesaver.errors import ConfigurationError
from cachesaver.stores.processes import here

__all__ = ["beside"]

_APART = '"$@" & '
"""Starts the command of its arguments, and ends at once, so that the system adopts it."""


def beside(environment: Mapping[str, str]) -> dict[str, str]:
    """Start a gateway that ends with this process; return what to change in the *environment*.

    Raises:
        ConfigurationError: It does not start, or not on this system.
    """
    from cachesaver.gateway.environment import plan

    if os.name != "posix":
        raise ConfigurationError(
            "--gateway needs a POSIX system: here, start `cachesaver gateway` by itself and set the "
            "variables that it prints"
        )
    changes = plan(environment)
    url = _started([*_COMMAND, *(f"--allow={host}" for host in changes.allow)], environment)
    return changes.environment(url, environment)


# -P: the folder of the program is none of ours to import from.
_COMMAND = (sys.executable, "-P", "-m", "cachesaver", "gateway", "--port=0")


def _started(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Start *command* in a session of its own; return its address, with its key, when it is up."""
    # It is told by the environment what the program is; only, it joins nothing by itself.
    # Other users of this machine reach its port; what the program's environment says they cannot read.
    key = secrets.token_hex(16)
    told = {**environment, "CACHESAVER_AUTOSTART": "", KEY: key, BESIDE: here()}
    ran = subprocess.run(  # noqa: S603  # our own command
        ["/bin/sh", "-c", _APART, "sh", *command],
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=False,
    )
    if not ran.stdout:
        raise ConfigurationError("the gateway did not start; it says why above")
    url: str = json.loads(ran.stdout)["url"]
    return f"{url}/key/{key}"
