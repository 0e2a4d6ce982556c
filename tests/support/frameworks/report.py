"""The page docs/reference/frameworks.md, of what was found the last time."""

from __future__ import annotations

from collections.abc import Mapping

from frameworks.catalogue import ROOT, Framework, Result, frameworks

__all__ = ["PAGE", "rendered"]

PAGE = ROOT / "docs" / "reference" / "frameworks.md"

HEAD = """\
# Agent frameworks

Each framework below was installed as it is, and its agent, the program on its page, was run in processes
of its own against the [rehearsal](../tutorial/first-experiment.md#a-provider-that-costs-nothing): bought
once (*cold*), again in the same namespace, in a fresh namespace, and with `mode="replay"` when the provider
had been shut down. The figures are requests that reached the provider. In each run after the first the
agent said the same, word for word: messages, calls of tools with their ids and arguments, results and the
answer; what else happened stands below the table.

This page is written by `make frameworks` (`ARGS="NAME ..."` for some of them), from what it found; CI
compares page and findings.
"""

COLUMNS = (
    *("framework", "versions", "asks through", "tools called"),
    *("cold", "again", "fresh", "replay", "streamed", "stream of whole", "date"),
)

LEGEND = """\
*asks through*: packages on the way of a call, the outermost first, as the stack had them, the HTTP client
at the end; where there are several ways, what each adds stands behind the one before. *streamed*: the same
four runs, streaming, on a store of their own. *stream of whole*: calls that streaming cost where whole
answers were stored; 0 where the framework asks the same question in both ways.
"""


def rendered() -> str:
    """Return the text of the page."""
    played = (each for each in frameworks() if each.found.exists())
    found = [(each, each.result) for each in played]
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(*each) for each in found)]
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    remarks = [remark for each in found if (remark := _remark(*each))]
    return "\n".join([HEAD, f"{lines}\n", LEGEND, *remarks])


def _row(framework: Framework, result: Result) -> tuple[str, ...]:
    page = f"../how-to/{framework.how_to.name}"
    streamed = result.streamed
    return (
        f"[{framework.name}]({page})",
        ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        ", ".join(result.through) or "the gateway",
        str(result.tools),
        *(str(result.calls[act]) for act in ("cold", "again", "fresh", "replay")),
        "none" if streamed is None else _series(streamed),
        "none" if streamed is None else str(streamed["whole"]),
        result.date,
    )


def _series(calls: Mapping[str, int]) -> str:
    return ", ".join(str(calls[act]) for act in ("cold", "again", "fresh", "replay"))


def _remark(framework: Framework, result: Result) -> str:
    said = [framework.remarks] if framework.remarks else []
    if result.elsewhere:
        hosts = ", ".join(f"`{host}`" for host in result.elsewhere)
        said.append(f"It also called {hosts}, which passed through.")
    if result.refused:
        hosts = ", ".join(f"`{host}`" for host in result.refused)
        said.append(f"By replay {hosts} was refused: it is the address of a provider.")
    said += [f"**At fault: {fault}.**" for fault in result.faults]
    return f"- {framework.name}: {' '.join(said)}\n" if said else ""
