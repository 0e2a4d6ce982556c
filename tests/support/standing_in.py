"""A proxy behind which every provider is the rehearsal: real addresses, real TLS, nobody's bill.

Its certificates are its own (trustme); the variables that SDKs read say where proxy and authority are.
"""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import trustme

__all__ = ["StandIn"]

PREFIXES: Final[Mapping[str, bytes]] = {"api.mistral.ai": b"/mistral"}
"""By host: what stands before its paths at the rehearsal."""

TRUST: Final[Sequence[str]] = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
PROXY: Final[Sequence[str]] = ("HTTPS_PROXY", "https_proxy")


class StandIn(socketserver.ThreadingTCPServer):
    """The proxy, on 127.0.0.1, while it is entered.

    Args:
        url: Of the rehearsal.
        folder: For the certificate of its authority.
    """

    daemon_threads = True

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        parts = urlsplit(url)
        self.upstream = (str(parts.hostname), parts.port or 80)
        self.authority = trustme.CA()
        self._trusted = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self._trusted))

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program here."""
        proxy = f"http://127.0.0.1:{self.server_address[1]}"
        return dict.fromkeys(TRUST, str(self._trusted)) | dict.fromkeys(PROXY, proxy)


class _Tunnel(socketserver.BaseRequestHandler):
    server: Any

    def handle(self) -> None:
        """Be the host that the tunnel was to lead to, for one request."""
        asked, _ = _message(self.request)
        host = asked.split()[1].partition(b":")[0].decode()
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.authority.issue_cert(host).configure_cert(context)
        with context.wrap_socket(self.request, server_side=True) as client:
            head, body = _message(client)
            with socket.create_connection(self.server.upstream) as upstream:
                upstream.sendall(_once(host, head) + body)
                while piece := upstream.recv(65536):
                    client.sendall(piece)


def _message(line: Any) -> tuple[bytes, bytes]:
    """Return head and body of a request that tells how long it is."""
    with line.makefile("rb") as reading:
        head = b"".join(iter(reading.readline, b"\r\n"))
        told = re.search(rb"(?im)^content-length: *(\d+)", head)
        return head + b"\r\n", reading.read(int(told[1]) if told else 0)


def _once(host: str, head: bytes) -> bytes:
    """Return *head* as the rehearsal is asked it: its own path, and no second request after it."""
    method, _, rest = head.partition(b" ")
    lines = (method + b" " + PREFIXES.get(host, b"") + rest).split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([kept[0], b"connection: close", *kept[1:]])
