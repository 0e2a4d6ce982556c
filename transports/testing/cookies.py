"""Cookies of answers, where a client keeps them."""

# ruff: noqa: S101, D102 - these are tests: they assert, and the name is the claim

from __future__ import annotations

from cachesaver.exchange import Response
from cachesaver.transports.gates import HitGate, TeeGate
from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.transports.testing.scenes import Contract

__all__ = ["Cookies"]


class Cookies(Contract):
    """Cookies of answers, where a client keeps them."""

    def test_a_cookie_of_a_miss_is_kept_by_the_client(self) -> None:
        with self.scene(TeeGate()) as (server, caller):
            url = server.script("/v1/x", Script(headers=(("Set-Cookie", "a=1; Path=/"),)))
            for _ in range(2):
                caller.request("POST", url, body=b"{}")

            assert [r.header("cookie") for r in server.received] == [None, "a=1"]

    def test_a_cookie_of_a_hit_is_kept_by_the_client(self) -> None:
        headers = (("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/"))
        with LoopbackServer() as server, self.caller() as caller:
            with self.hooked(HitGate(Response(status=200, headers=headers, chunks=(b"{}",)))):
                caller.request("POST", server.url + "/v1/x", body=b"{}")
            caller.request("POST", server.url + "/v1/x", body=b"{}")

            sent = server.received[0].header("cookie") or ""
            assert sorted(sent.split("; ")) == ["a=1", "b=2"]
