"""Law 8 on the clients that are not in the test environment: `python tests/laws/escapes.py`.

Makes an environment of its own for them (about 600 MB, from the package index), and tells of each
what it ran into by `mode="replay"`: at a provider's host, and at a model on this machine. Ends with 1
if anything got out. Not a test module: some of these packages replace others.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "escapes"
PACKAGES = [
    *("curio", "curl_cffi", "dspy", "grpcio", "httpr", "impit", "niquests", "primp", "pycurl"),
    *(
        "pyopenssl",
        "pyreqwest",
        "rnet",
        "tornado",
        "xai-sdk",
        "lmdb",
        "orjson",
        "platformdirs",
        "zstandard",
    ),
]
PROVIDER = "https://api.openai.com/v1/chat/completions"
BODY: dict[str, Any] = {}

Way = Callable[[str], Any]


def module(name: str) -> Any:
    return importlib.import_module(name)


# --- ways out: each a function of a URL


def curl_cffi(url: str) -> Any:
    return module("curl_cffi.requests").post(url, json=BODY, timeout=3)


async def curl_cffi_async(url: str) -> Any:
    async with module("curl_cffi.requests").AsyncSession() as session:
        return await session.post(url, json=BODY, timeout=3)


def pycurl(url: str) -> None:
    curl = module("pycurl").Curl()
    curl.setopt(curl.URL, url)
    curl.setopt(curl.TIMEOUT, 3)
    curl.perform()


def primp(url: str) -> Any:
    return module("primp").Client(timeout=3).post(url, json=BODY)


def primp_function(url: str) -> Any:
    return module("primp").post(url, json=BODY, timeout=3)


async def primp_async(url: str) -> Any:
    return await module("primp").AsyncClient(timeout=3).post(url, json=BODY)


def rnet(url: str) -> Any:
    return module("rnet").BlockingClient(timeout=3).post(url, json=BODY)


async def rnet_async(url: str) -> Any:
    return await module("rnet").Client(timeout=3).post(url, json=BODY)


def impit(url: str) -> Any:
    return module("impit").post(url, b"{}", timeout=3)


async def impit_async(url: str) -> Any:
    async with module("impit").AsyncClient(timeout=3).stream("POST", url, b"{}") as response:
        return response


def httpr(url: str) -> Any:
    return module("httpr").post(url, json=BODY, timeout=3)


async def httpr_async(url: str) -> Any:
    async with module("httpr").AsyncClient(timeout=3) as client:
        return await client.post(url, json=BODY)


def pyreqwest(url: str) -> Any:
    return module("pyreqwest.simple.sync_request").pyreqwest_post(url).body_json(BODY).send()


async def pyreqwest_async(url: str) -> Any:
    async with module("pyreqwest.client").ClientBuilder().build() as client:
        return await client.post(url).body_json(BODY).build().send()


async def pyreqwest_function(url: str) -> Any:
    return await module("pyreqwest.simple.request").pyreqwest_post(url).body_json(BODY).send()


def niquests(url: str) -> Any:
    return module("niquests").post(url, json=BODY, timeout=3)


async def niquests_async(url: str) -> Any:
    async with module("niquests").AsyncSession() as session:
        return await session.post(url, json=BODY, timeout=3)


async def tornado(url: str) -> Any:
    client = module("tornado.httpclient").AsyncHTTPClient(force_instance=True)
    return await client.fetch(url, method="POST", body="{}", request_timeout=3)


async def tornado_curl(url: str) -> Any:
    client = module("tornado.curl_httpclient").CurlAsyncHTTPClient(force_instance=True)
    return await client.fetch(url, method="POST", body="{}", request_timeout=3)


def curio(url: str) -> Any:
    lib, (host, port) = module("curio"), _address(url)

    async def ask() -> Any:
        stream = await lib.open_connection(host, port, ssl=url.startswith("https"))
        await stream.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n")
        return await stream.recv(1)

    return lib.run(ask)


def pyopenssl(url: str) -> Any:
    import socket

    tls, (host, port) = module("OpenSSL.SSL"), _address(url)
    connection = tls.Connection(tls.Context(tls.TLS_METHOD), socket.create_connection((host, port)))
    connection.set_tlsext_host_name(host.encode())
    connection.set_connect_state()
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n")


def dspy(url: str) -> Any:
    base = url.removesuffix("/chat/completions")
    return module("dspy").LM("openai/m", api_key="k", cache=False, api_base=base)("hi")


async def dspy_async(url: str) -> Any:
    base = url.removesuffix("/chat/completions")
    return await module("dspy").LM("openai/m", api_key="k", cache=False, api_base=base).acall("hi")


def grpc(url: str) -> Any:
    lib, (host, port) = module("grpc"), _address(url)
    channel = lib.secure_channel(f"{host}:{port}", lib.ssl_channel_credentials())
    return channel.unary_unary("/xai_api.Chat/GetCompletion")(b"", timeout=3)


async def grpc_async(url: str) -> Any:
    aio, (host, port) = module("grpc.aio"), _address(url)
    channel = aio.insecure_channel(f"{host}:{port}")
    return await channel.unary_unary("/xai_api.Chat/GetCompletion")(b"", timeout=3)


def xai_sdk(url: str) -> Any:
    host, port = _address(url)
    client = module("xai_sdk").Client(api_key="k", api_host=f"{host}:{port}", timeout=3)
    return client.chat.create("grok-4").sample()


WAYS: dict[str, Way] = {
    each.__name__.replace("_", " "): each
    for each in (
        *(curl_cffi, curl_cffi_async, pycurl, primp, primp_function, primp_async, rnet, rnet_async),
        *(impit, impit_async, httpr, httpr_async, pyreqwest, pyreqwest_async, pyreqwest_function),
        *(niquests, niquests_async, tornado, tornado_curl, curio, pyopenssl, dspy, dspy_async),
        *(grpc, grpc_async, xai_sdk),
    )
}
BY_HOST_ONLY = {"grpc", "grpc async", "xai sdk", "pyopenssl"}
"""What speaks HTTP/2, or TLS by itself: on this machine, its host has to be named."""


def _address(url: str) -> tuple[str, int]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


# --- judging


def judged(way: Way, url: str) -> str:
    """Return what *way* ran into; empty if it was not stopped."""
    from cachesaver.errors import ReplayError

    began = time.monotonic()
    try:
        said = way(url)
        if asyncio.iscoroutine(said):
            asyncio.run(said)
    except ReplayError as error:
        took = time.monotonic() - began
        return f"{type(error).__name__} by {getattr(error, 'library', '')}, {took:.2f} s"
    except Exception as error:  # noqa: BLE001  # whatever a live call ends in
        print(f"      {type(error).__name__}: {error}"[:200])
    return ""


def judge() -> int:
    """Run all ways by replay; return how many got out."""
    import cachesaver
    from cachesaver.transports.loopback import LoopbackServer

    out = 0
    with (
        LoopbackServer() as server,
        cachesaver.install(store="memory://", mode="replay", quiet=True),
    ):
        for name, way in WAYS.items():
            urls = [PROVIDER] + [f"{server.url}/v1/chat/completions"] * (name not in BY_HOST_ONLY)
            for url in urls:
                verdict = judged(way, url)
                out += not verdict
                print(f"{name:16} {url:55} {verdict or 'GOT OUT'}", flush=True)
        out += len(server.received)
    return out


def main() -> int:
    """Make the environment, and judge in it."""
    python = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(HOME, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    told = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([python, __file__, "--here"], env=told, check=False).returncode


if __name__ == "__main__":
    sys.exit(min(judge(), 1) if "--here" in sys.argv else main())
