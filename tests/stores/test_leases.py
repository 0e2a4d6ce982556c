from __future__ import annotations

import time

from cachesaver.stores.leases import UNSEEN_LEASE, Lease
from cachesaver.stores.processes import here
from cachesaver.stores.testing import dead_owner


def test_a_lease_of_the_asker_itself_is_up() -> None:
    assert Lease(owner="anyone").is_up("anyone")


def test_a_lease_of_a_living_process_is_up_however_old() -> None:
    assert Lease(owner=here(), since=0.0).is_up("another")


def test_a_lease_of_a_dead_process_is_not() -> None:
    assert not Lease(owner=dead_owner()).is_up(here())


def test_a_lease_of_an_owner_out_of_sight_ends_with_its_age() -> None:
    young = Lease(owner="in another container")
    old = Lease(owner="in another container", since=time.time() - UNSEEN_LEASE - 1)

    assert young.is_up(here())
    assert not old.is_up(here())
    assert old.renewed().is_up(here())
    assert old.renewed().token == old.token


def test_no_two_leases_have_one_token() -> None:
    assert Lease(owner="x").token != Lease(owner="x").token
