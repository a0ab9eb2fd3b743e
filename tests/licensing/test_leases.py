"""Credits taken along: spent without a network, reported once, given back; clones, old copies and clocks found out."""

from __future__ import annotations

import shutil

import pytest

from outfitswap_desktop.errors import KnownError, NotAvailable, UsageProblem
from outfitswap_desktop.server.leases import files

SHA = "ab" * 32


def account(licensing):
    return licensing._parts.journal.facts()["account"]


def spend(licensing, times=1):
    for _ in range(times):
        licensing.gate().reserve(engine="sdxl", job="").commit(output_sha256=SHA)


def reason_of(call):
    with pytest.raises(KnownError) as caught:
        call()
    return caught.value.reason


def test_a_lease_pays_without_a_network_and_comes_back(world, desk):
    licensing, wire = desk
    status = licensing.take_along(20, 7)
    assert (status.state, status.lease_left, status.available, status.leased) == ("online", 20, 80, 20)
    assert status.lease_until == world.clock() + 7 * 86_400_000
    wire.cut = True
    spend(licensing, 3)
    licensing.gate().reserve(engine="sdxl", job="x").void("failed")
    status = licensing.refresh()
    assert (status.state, status.lease_left, status.prices["sdxl"]) == ("offline", 14, 2)
    wire.cut = False
    status = licensing.give_back()
    assert (status.state, status.lease_left, status.lease_until, status.available) == ("online", 0, None, 94)
    assert world.spent(account(licensing), 100) == 6


def test_a_lease_that_is_empty_lets_the_account_pay(world, desk):
    licensing, wire = desk
    licensing.take_along(3, 7)
    spend(licensing, 2)
    assert licensing.status().lease_left == 1
    wire.cut = True
    assert reason_of(lambda: licensing.gate().reserve(engine="sdxl", job="")) == "no_credits"
    wire.cut = False
    licensing.give_back()
    assert world.spent(account(licensing), 100) == 4


def test_one_lease_at_a_time(desk):
    licensing, _ = desk
    licensing.take_along(3, 7)
    assert reason_of(lambda: licensing.take_along(3, 7)) == "lease_open"


def test_a_lost_answer_to_taking_along_is_asked_for_again(world, desk):
    licensing, wire = desk
    wire.lose = lambda request: request.url.path == "/v1/leases"
    assert reason_of(lambda: licensing.take_along(20, 7)) == "offline"
    assert world.balance(account(licensing)).leased == 20
    wire.lose = lambda request: False
    assert licensing.refresh().lease_left == 20


def test_a_wish_that_never_arrived_is_forgotten(world, desk):
    licensing, wire = desk
    wire.cut = True
    assert reason_of(lambda: licensing.take_along(20, 7)) == "offline"
    wire.cut = False
    assert licensing.refresh().lease_left == 0
    assert "asked_lease" not in licensing._parts.journal.facts()


def test_a_lost_answer_to_giving_back_is_asked_for_again(world, desk):
    licensing, wire = desk
    licensing.take_along(20, 7)
    spend(licensing)
    wire.lose = lambda request: request.url.path.endswith("/close")
    assert reason_of(licensing.give_back) == "offline"
    assert licensing.status().reason == "lease_closing"
    ticket = licensing.gate().reserve(engine="sdxl", job="")  # from the account: the lease is not used any more
    assert world.balance(account(licensing)).held == 2
    ticket.void("x")
    wire.lose = lambda request: False
    status = licensing.refresh()
    assert (status.reason, status.available) == ("plain_file", 98)


def test_a_job_that_runs_keeps_the_lease(desk):
    licensing, _ = desk
    licensing.take_along(20, 7)
    ticket = licensing.gate().reserve(engine="sdxl", job="")
    assert reason_of(licensing.give_back) == "jobs_running"
    assert reason_of(licensing.sign_out) == "jobs_running"
    ticket.void("x")
    assert licensing.sign_out().state == "signed_out"


def test_the_end_of_a_lease(world, desk):
    licensing, wire = desk
    licensing.take_along(20, 7)
    spend(licensing)
    wire.cut = True
    world.clock.forward(days=8)
    assert reason_of(lambda: licensing.gate().reserve(engine="sdxl", job="")) == "lease_ended"
    assert licensing.status().reason == "lease_ended"
    wire.cut = False
    assert licensing.refresh().available == 98
    assert world.spent(account(licensing), 100) == 2


def test_a_clock_that_was_moved_back(world, desk, tmp_path):
    licensing, wire = desk
    licensing.take_along(20, 30)
    world.clock.forward(seconds=5 * 3600)
    spend(licensing)
    wire.cut = True
    late = world.clock() - 3 * 3_600_000
    again, wire = world.machine(wall=lambda: late)
    wire.cut = True
    assert reason_of(lambda: again.gate().reserve(engine="sdxl", job="")) == "clock_moved_back"
    assert again.status().reason == "clock_moved_back"
    wire.cut, wire.date = False, late  # the server says that the clock is right: the later time was the wrong one
    again.refresh()
    wire.cut = True
    assert again.gate().reserve(engine="sdxl", job="") is not None
    assert world.machine(wall=lambda: late)[0].status().reason == "plain_file"


def test_an_older_copy_of_the_files_is_found_out_before_it_forks(world, desk, tmp_path):
    """The keyring knows more receipts than the journal; where it does not, the server does."""
    licensing, _ = desk
    licensing.take_along(20, 7)
    spend(licensing)
    licensing.close()
    folder = tmp_path / "desk"
    shutil.copytree(folder, tmp_path / "copy")
    spend(licensing, 2)
    licensing.close()
    for path in (tmp_path / "copy").glob("licence.db*"):
        shutil.copy(path, folder / path.name)
    again, wire = world.machine()
    wire.cut = True
    assert reason_of(lambda: again.gate().reserve(engine="sdxl", job="")) == "device_suspect"
    assert again.status().reason == "device_suspect"


def test_a_clone_is_found_out_by_the_server(world, desk, tmp_path):
    licensing, _ = desk
    licensing.take_along(20, 7)
    licensing.close()
    shutil.copytree(tmp_path / "desk", tmp_path / "clone")
    spend(licensing)
    clone, wire = world.machine("clone")
    wire.cut = True
    spend(clone, 2)
    wire.cut = False
    licensing.refresh()
    status = clone.refresh()
    assert status.reason == "device_suspect"
    assert world.spent(account(licensing), 100) <= 20


@pytest.mark.parametrize("what", ["chain", "mac", "blob"])
def test_an_edited_journal_is_not_believed(desk, what):
    licensing, wire = desk
    licensing.take_along(20, 7)
    spend(licensing)
    with licensing._parts.journal.writing() as tx:
        edited = {"chain": "replace(chain, '\"spent\": 2', '\"spent\": 0')", "mac": "'00'", "blob": "blob || 'A'"}[what]
        tx._connection.execute(f"UPDATE leases SET {what} = {edited}")
    wire.cut = True
    assert reason_of(lambda: licensing.gate().reserve(engine="sdxl", job="")) in ("journal_damaged", "lease_unusable")
    wire.cut = False
    licensing.gate().reserve(engine="sdxl", job="").commit(output_sha256=SHA)  # the account pays meanwhile


def test_a_machine_without_a_network(world, desk, tmp_path, monkeypatch):
    """Request out, licence in, receipts out: the machine itself never speaks to the server."""
    owner, _ = desk
    lonely, wire = world.machine("lonely")
    wire.cut = True
    root = world.client.get("/.well-known/outfitswap-keys").json()["root"]
    lonely.use_server("http://127.0.0.1:8000", root_key=root)
    request = lonely.write_request(tmp_path / "r", credits=10, days=14)
    assert request.name == "r.osreq"
    answer = files.answer(world.services, account(owner), request.read_text(), now=world.clock())
    (tmp_path / "r.oslic").write_text(answer.file)
    assert reason_of(lambda: lonely.import_file(request)) == "not_a_licence"
    assert reason_of(lambda: owner.import_file(tmp_path / "r.oslic")) == "other_device"
    status = lonely.import_file(tmp_path / "r.oslic")
    assert (status.state, status.lease_left) == ("offline", 10)
    spend(lonely, 2)
    receipts = lonely.write_receipts(tmp_path / "r.osrcp")
    files.take_receipts(world.services, account(owner), receipts.read_text(), now=world.clock())
    assert world.spent(account(owner), 100) == 4
    spend(lonely)
    receipts = lonely.write_receipts(tmp_path / "end.osrcp", close=True)
    files.take_receipts(world.services, account(owner), receipts.read_text(), now=world.clock())
    assert (world.spent(account(owner), 100), world.balance(account(owner)).leased) == (6, 0)
    assert reason_of(lambda: lonely.gate().reserve(engine="sdxl", job="")) == "signed_out"
    assert reason_of(lambda: lonely.import_file(tmp_path / "r.oslic")) in ("lease_open", "lease_used")
    assert wire.seen == []


def test_a_file_is_not_believed_without_a_root_key(world, tmp_path):
    lonely, _ = world.machine("lonely")
    (tmp_path / "x.oslic").write_text("OSL1.a.b OSK1.a.b\n")
    assert reason_of(lambda: lonely.import_file(tmp_path / "x.oslic")) == "no_keys"


def test_another_root_key_is_refused(world, desk):
    from outfitswap_desktop.licensing.wire.blobs import encode, new_key, public_of

    licensing, _ = world.machine("other")
    licensing.use_server("http://127.0.0.1:8000", root_key=encode(public_of(new_key())))
    with pytest.raises(NotAvailable) as caught:
        licensing.refresh()
    assert caught.value.reason == "root_changed"
    with pytest.raises(UsageProblem):
        licensing.use_server("http://127.0.0.1:8000", root_key="short")
