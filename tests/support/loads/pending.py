"""What the laws promise and the code does not keep yet, in one place: take away what is mended."""

from __future__ import annotations

import pytest

__all__ = ["shared_after_leaving"]

shared_after_leaving = pytest.mark.xfail(
    reason="the flight that a caller left gives up, when it fails, the index of the retry: two draws "
    "of a run get one sample",
    strict=False,
)
