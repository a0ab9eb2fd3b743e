"""Export and erasure: everything of one's own and nothing of others; and after seven days nothing that names a person."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, insert, select

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import licences, mail_tokens, oauth_states, people, privacy, promo, sessions
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.tables import accounts as tables
from outfitswap_desktop.server.tables import metadata
from outfitswap_desktop.server.tables.ledger import ledger_entries
from tests.server.accounts.conftest import sign_in

ABOUT_ADA = (
    *("ada@example.org", "Ada L.", "Ada's desk", "fingerprint-of-Ada"),
    *("192.0.2", "testclient", "g-subject-1001", "cus_ada"),
)


@pytest.fixture
def ada(settled, machine, services):
    """Somebody who has left traces everywhere."""
    signed = settled(machine=machine("Ada's desk"))
    settled()
    now = services.clock()
    with services.database.transaction() as tx:
        tx.execute(
            insert(tables.oauth_identities).values(
                provider="google", subject="g-subject-1001", account_id=signed.account_id
            )
        )
        tx.execute(
            tables.account_pii.update()
            .where(tables.account_pii.c.account_id == signed.account_id)
            .values(stripe_customer_id="cus_ada")
        )
        credits.give(
            tx, signed.account_id, bucket="paid", credits=70, kind="purchase", ref="cs_1", actor="stripe", now=now
        )
        (key,) = licences.issue(tx, services, count=1, credits=5, now=now)
        licences.redeem(tx, services, key, account_id=signed.account_id, now=now)
        mail_tokens.make(tx, signed.account_id, purpose="reset", now=now)
    return signed


def reserve(client, signed, amount=2):
    body = {"id": new_id(), "credits": amount, "job_id": "job", "engine": "sd15", "images": amount}
    headers = {"Authorization": f"Bearer {signed.tokens['access_token']}", "Idempotency-Key": body["id"]}
    answer = client.post("/v1/reservations", json=body, headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    return body["id"]


def everything(services) -> str:
    with services.database.reading() as tx:
        return "\n".join(
            f"{table.name}: {dict(row)!r}"
            for table in metadata.sorted_tables
            for row in tx.execute(select(table)).mappings()
        )


def test_every_table_is_exported_or_named_as_nobody_s():
    exported = {table.name for table in metadata.sorted_tables if privacy._belongs(table, "x") is not None}
    rest = {table.name for table in metadata.sorted_tables} - exported - privacy.NOBODYS
    assert rest == set()
    assert not exported & privacy.NOBODYS


def test_the_export_has_all_of_it_and_no_secrets(client, ada, settled, services):
    reserve(client, ada)
    settled("bob@example.org")
    answer = ada("GET", "/v1/me/export")
    assert "attachment" in answer.headers["content-disposition"]
    found = answer.json()
    text = json.dumps(found)
    for word in ABOUT_ADA:
        assert word in text, word
    assert "bob@example.org" not in text
    names = found["tables"]
    counts = {name: len(names[name]) for name in ("sessions", "devices", "licences", "credit_grants", "reservations")}
    assert counts == {"sessions": 2, "devices": 1, "licences": 1, "credit_grants": 3, "reservations": 1}
    assert names["ledger_entries"]
    assert not privacy.SECRETS & {column for rows in names.values() for row in rows for column in row}
    for secret in (ada.tokens["refresh_token"], "argon2"):
        assert secret not in text


def test_closing_ends_everything_at_once_and_can_be_undone(client, ada, services, clock, mails, desk):
    reserve(client, ada, 10)
    answer = ada("DELETE", "/v1/me")
    assert (answer.status_code, answer.json()["closes_at"]) == (202, clock() + 7 * 86_400_000)
    assert mails()[-1][0] == "account_closing"
    assert ada("GET", "/v1/me").status_code == 401
    body = {"email": "ada@example.org", "password": "correct horse battery", "device": desk.proof()}
    refused = client.post("/v1/auth/login", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_closing")
    clock.forward(days=6)
    assert privacy.erase_due(services, now=clock()) == 0
    with services.database.transaction() as tx:
        assert credits.balance(tx, ada.account_id, now=clock()).held == 0
        inside = sessions.open_for_site(tx, services, ada.account_id, agent="browser", ip="", now=clock())
        assert sessions.look(tx, inside, now=clock()).closing
        assert privacy.delete_account(tx, services, ada.account_id, now=clock()) == clock() + 86_400_000
        assert privacy.undo(tx, ada.account_id, now=clock())
        assert not privacy.undo(tx, ada.account_id, now=clock())
    again = sign_in(client, "ada@example.org", desk)
    assert again("GET", "/v1/credits").json()["available"] == 95
    clock.forward(days=2)
    assert privacy.erase_due(services, now=clock()) == 0
    assert sign_in(client, "ada@example.org", desk)("GET", "/v1/me").json()["email"] == "ada@example.org"


def test_a_frozen_account_is_frozen_again_after_an_undo(ada, services, clock):
    with services.database.transaction() as tx:
        people.freeze(tx, ada.account_id, now=clock())
        privacy.delete_account(tx, services, ada.account_id, now=clock())
        privacy.undo(tx, ada.account_id, now=clock())
        assert people.get(tx, ada.account_id).state == "frozen"


def test_after_seven_days_nothing_names_them_and_the_ledger_stands(client, ada, settled, services, clock, mails):
    bob = settled("bob@example.org")
    with services.database.reading() as tx:
        before = verify(tx)
        entries = tx.execute(select(func.count()).select_from(ledger_entries)).scalar_one()
    ada("DELETE", "/v1/me")
    clock.forward(days=7)
    assert privacy.erase_due(services, now=clock()) == 1
    assert privacy.erase_due(services, now=clock()) == 0
    kind, payload = mails()[-1]
    assert (kind, payload) == ("account_closed", {"to": "ada@example.org"})
    with services.database.transaction() as tx:
        from outfitswap_desktop.server.tables.operations import outbox

        tx.execute(outbox.update().values(payload={}))
    left = everything(services).replace("bob@example.org", "")
    bobs = [line for line in left.splitlines() if bob.account_id in line]
    others = "\n".join(line for line in left.splitlines() if line not in bobs)
    for word in ABOUT_ADA:
        assert word not in others, word
    assert ada.account_id in others
    with services.database.reading() as tx:
        assert verify(tx) == before
        assert before.ok
        assert tx.execute(select(func.count()).select_from(ledger_entries)).scalar_one() == entries
        assert not people.get(tx, ada.account_id).email
    with services.database.transaction() as tx:
        assert not privacy.undo(tx, ada.account_id, now=clock())
    anew = settled("ada@example.org")
    assert anew.account_id != ada.account_id


def test_marks_outlive_them_for_ninety_days_and_then_go(ada, services, clock):
    ada("DELETE", "/v1/me")
    clock.forward(days=7)
    privacy.erase_due(services, now=clock())
    with services.database.reading() as tx:
        marks = tx.execute(select(tables.abuse_marks.c.account_id)).scalars().all()
    assert marks == [None] * 3
    clock.forward(days=84)
    privacy.erase_due(services, now=clock())
    with services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(tables.abuse_marks)).scalar_one() == 0
    assert promo.KEPT_MS == 90 * 86_400_000


def test_what_is_over_is_forgotten(ada, services, clock):
    left = oauth_states.Left("n", "v", "/")
    with services.database.transaction() as tx:
        oauth_states.leave(tx, provider="oidc", state="s", left=left, now=clock())
    clock.forward(days=1)
    privacy.erase_due(services, now=clock())
    with services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(tables.oauth_states)).scalar_one() == 0


def test_an_erasure_waits_while_stripe_does_not_answer(ada, services, clock):
    from dataclasses import replace

    from outfitswap_desktop.server.payments.gateway import Unreachable

    class Stripe:
        forgotten: tuple[str, ...] = ()
        there = False

        def forget_customer(self, customer):
            if not self.there:
                raise Unreachable("away")
            self.forgotten += (customer,)

    stripe = Stripe()
    with_stripe = replace(services, stripe=stripe)
    ada("DELETE", "/v1/me")
    clock.forward(days=7)
    assert privacy.erase_due(with_stripe, now=clock()) == 0
    assert "ada@example.org" in everything(services)
    stripe.there = True
    assert privacy.erase_due(with_stripe, now=clock()) == 1
    assert stripe.forgotten == ("cus_ada",)
