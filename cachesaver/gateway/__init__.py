"""The gateway: a local reverse proxy for what lives outside this process, on the same store.

Needs the extra: pip install 'cachesaver[gateway]'. From a shell: `cachesaver gateway`.
"""

from __future__ import annotations

from cachesaver.gateway.server import Gateway

__all__ = ["Gateway"]
