"""Kernels of Triton without a GPU: interpreted, to see what they compute, or only compiled."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# Where Triton is not installed its types are unknown.

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

__all__ = ["compiled", "interpreted", "is_interpreting", "pass_interpreted"]

is_interpreting = os.environ.get("TRITON_INTERPRET") == "1"
"""Triton looks when it is imported, so it takes a process of its own: `pass_interpreted`."""

_CAPABILITIES = (80, 90)
"""Of an A100 and an H100."""


@contextlib.contextmanager
def interpreted(name: str) -> Generator[ModuleType]:
    """Give a copy of the module *name* whose kernels are run by Python, on tensors of this processor.

    Only where Triton is interpreting.
    """
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device", contextlib.nullcontext)
        spec.loader.exec_module(made)
        if hasattr(made, "libdevice"):
            patch.setattr(made, "libdevice", SimpleNamespace(log1p=_log1p()))  # there is none here
        yield made


def pass_interpreted(path: str) -> None:
    """Run the tests of *path* that are called `interpreted`, where Triton is interpreting."""
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "interpreted", path],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-3000:]
    assert "passed" in told.stdout
    assert "skipped" not in told.stdout.splitlines()[-1]


def _log1p() -> Any:
    """Return a function that is exact where 1 + x is not, as Kahan found.

    https://docs.oracle.com/cd/E19957-01/806-3568/ncg_goldberg.html, theorem 4.
    """

    def log1p(x: Any) -> Any:
        total = 1.0 + x
        return tl.where(total == 1.0, x, tl.log(total) * (x / (total - 1.0)))

    return triton.jit(log1p)


def compiled(
    kernel: Any, types: Mapping[str, str], constants: Mapping[str, int], *, fuses: bool
) -> list[int]:
    """Compile *kernel* for devices that are not here, and return how many bytes each of them gets.

    Args:
        kernel: What `triton.jit` gave.
        types: Of its arguments, such as `*bf16`.
        constants: Of the others.
        fuses: Whether a product and a sum may be one operation.
    """
    names = list(kernel.arg_names)
    signature = {name: types.get(name, "constexpr") for name in names}
    given = {(names.index(name),): value for name, value in constants.items()}
    return [
        len(
            triton.compile(
                ASTSource(kernel, signature, given),
                target=GPUTarget("cuda", capability, 32),
                options={"enable_fp_fusion": fuses},
            ).asm["cubin"]
        )
        for capability in _CAPABILITIES
    ]
