"""cerebras-cloud-sdk."""

from __future__ import annotations

from functools import partial

from cerebras.cloud import sdk

from matrix.sdks.stainless import STALLED, chats

# Not asked to open a connection beforehand, which would be a request for nothing.
WAYS = chats(
    sdk,
    partial(sdk.Cerebras, warm_tcp_connection=False),
    partial(sdk.AsyncCerebras, warm_tcp_connection=False),
    **STALLED,
)
