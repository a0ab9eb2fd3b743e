"""The gate against the real server: set aside once, settled once, whatever is lost in between."""

from __future__ import annotations

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing import gate as gates
from outfitswap_desktop.store.lease_journal import LeaseJournal
from outfitswap_desktop.store.owner import Owner

SHA = "ab" * 32


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(gates, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(gates, "QUIET_SECONDS", 0.0)


def account(licensing):
    return licensing._parts.journal.facts()["account"]


def bury(licensing):
    """The program of this machine dies: what it owns belongs to nobody that lives."""
    journal = licensing._parts.journal
    with journal.writing() as tx:
        tx._connection.execute("UPDATE holds SET pid = 999999999, started = 'gone'")


def test_a_job_is_paid_once(world, desk):
    licensing, _ = desk
    ticket = licensing.gate().reserve(engine="sdxl", job="j1")
    assert world.balance(account(licensing)).held == 2
    ticket.commit(output_sha256=SHA)
    ticket.commit(output_sha256=SHA)
    ticket.void("late")
    assert world.spent(account(licensing), 100) == 2
    assert world.balance(account(licensing)).available == 98
    assert licensing._parts.journal.untold() == ()


def test_a_job_that_fails_costs_nothing(world, desk):
    licensing, _ = desk
    ticket = licensing.gate().reserve(engine="sdxl", job="j1")
    ticket.void("cancelled")
    ticket.commit(output_sha256=SHA)
    assert world.balance(account(licensing)).available == 100


@pytest.mark.parametrize("engine", ["fabric", "unpriced"])
def test_what_has_no_price_asks_nobody(desk, engine):
    licensing, wire = desk
    wire.cut = True
    assert licensing.gate().reserve(engine=engine, job="j") is None


def test_without_credits_nothing_is_set_aside(world):
    licensing, _ = world.machine()
    licensing.redeem(world.key(1))
    with pytest.raises(NotAvailable) as caught:
        licensing.gate().reserve(engine="sdxl", job="j")
    assert caught.value.reason == "no_credits"
    assert "Buy" in caught.value.hint
    assert licensing._parts.journal.untold() == ()


def test_signed_out_and_offline_have_their_reasons(world, desk):
    stranger, _ = world.machine("other")
    with pytest.raises(NotAvailable) as caught:
        stranger.gate().reserve(engine="sdxl", job="j")
    assert caught.value.reason == "signed_out"
    licensing, wire = desk
    wire.cut = True
    with pytest.raises(NotAvailable) as caught:
        licensing.gate().reserve(engine="sdxl", job="j")
    assert caught.value.reason == "offline"


@pytest.mark.parametrize("once", [True, False])
def test_a_lost_answer_to_reserving_strands_nothing(world, desk, once):
    """Asked again it is the same reservation; given up, it is given back at the next contact."""
    licensing, wire = desk
    lost = []

    def lose(request):
        if request.url.path != "/v1/reservations" or (once and lost):
            return False
        lost.append(request)
        return True

    wire.lose = lose
    if once:
        ticket = licensing.gate().reserve(engine="sdxl", job="j")
        assert world.balance(account(licensing)).held == 2
        ticket.void("x")
    else:
        with pytest.raises(NotAvailable):
            licensing.gate().reserve(engine="sdxl", job="j")
        assert world.balance(account(licensing)).held == 2
        licensing.refresh()
    assert len(lost) == (1 if once else 2)
    assert world.balance(account(licensing)).available == 100


@pytest.mark.parametrize("lose_answer", [True, False])
def test_a_decision_waits_for_the_network_and_is_told_once(world, desk, lose_answer):
    licensing, wire = desk
    ticket = licensing.gate().reserve(engine="sdxl", job="j")
    wire.cut, wire.lose = not lose_answer, lambda request: lose_answer
    ticket.commit(output_sha256=SHA)
    assert len(licensing._parts.journal.untold()) == 1
    wire.cut, wire.lose = False, lambda request: False
    licensing.refresh()
    licensing.refresh()
    assert licensing._parts.journal.untold() == ()
    assert world.spent(account(licensing), 100) == 2


def test_the_server_changes_its_prices(world, desk, monkeypatch):
    licensing, _ = desk
    monkeypatch.setattr(type(world.services.settings), "price_table", lambda self: {"sdxl": 5})
    licensing.gate().reserve(engine="sdxl", job="j").commit(output_sha256=SHA)
    assert world.spent(account(licensing), 100) == 5
    assert licensing.status().prices == {"sdxl": 5}


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("leased", [True, False])
def test_the_next_start_settles_what_a_dead_program_left(world, desk, made, leased):
    licensing, _ = desk
    if leased:
        licensing.take_along(20, 7)
    ticket = licensing.gate().reserve(engine="sdxl", job="j")
    licensing.gate().settle(lambda hold: None)  # it lives: nothing is touched
    assert len(licensing._parts.journal.undecided(of_dead=False)) == 1
    bury(licensing)
    later, _ = world.machine()
    asked = []

    def look(hold):
        asked.append(hold)
        return SHA if made else None

    later.gate().settle(look)
    later.gate().settle(look)
    assert asked == [ticket.id]
    later.refresh()
    if leased:
        later.give_back()
    assert world.spent(account(later), 100) == (2 if made else 0)
    assert world.balance(account(later)).available == (98 if made else 100)


def test_what_the_history_cannot_say_yet_is_left_for_later(world, desk):
    licensing, _ = desk
    licensing.gate().reserve(engine="sdxl", job="j")
    bury(licensing)

    def publishing(hold):
        raise NotAvailable("now", reason="still_publishing")

    licensing.gate().settle(publishing)
    assert len(licensing._parts.journal.undecided()) == 1
    licensing.gate().settle(lambda hold: SHA)
    licensing.refresh()
    assert world.spent(account(licensing), 100) == 2


def test_two_programs_settle_the_same_hold_once(world, desk):
    licensing, _ = desk
    licensing.take_along(20, 7)
    licensing.gate().reserve(engine="sdxl", job="j")
    bury(licensing)
    first, second = world.machine()[0], world.machine()[0]
    seen = []
    first.gate().settle(lambda hold: seen.append(second.gate().settle(lambda hold: SHA)) or None)
    licensing.give_back()
    assert world.spent(account(licensing), 100) == 2


def test_nothing_is_made_where_no_server_is_set(tmp_path, monkeypatch):
    from outfitswap_desktop.licensing.account import Licensing

    monkeypatch.delenv("OUTFITSWAP_LICENCE_SERVER", raising=False)
    licensing = Licensing(tmp_path / "folder")
    assert licensing.gate().reserve(engine="sdxl", job="j") is None
    licensing.gate().settle(lambda hold: pytest.fail("nothing to ask"))
    assert licensing.status().state == "none"
    assert licensing.refresh().state == "none"
    assert not (tmp_path / "folder").exists()
    with pytest.raises(NotAvailable) as caught:
        licensing.take_along(1, 1)
    assert caught.value.reason == "no_server"


def test_holds_of_two_owners_in_one_file(tmp_path):
    owner = Owner(1, "x")
    with LeaseJournal(tmp_path / "l.db", owner=owner, alive=lambda who: False) as journal:
        assert journal.undecided() == ()
