"""A consent holds for its photo and re-saves of it, for twelve months, once it was logged, until it is erased."""

import contextlib
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.records.consent import VALID_FOR, Consent
from outfitswap_desktop.safety.records.consents import NEAR, _Stored
from outfitswap_desktop.safety.records.keys import KEY_FILE, SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.records.conftest import DAY, START, event, none_there, sha

LOOK = 0xF0F0_F0F0_1234_5678


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def consent(photo=1, **changes):
    values = {"photo_sha256": sha(photo), "perceptual": LOOK, "kind": "self", "given": at(START)}
    return Consent(**{**values, **changes})


@contextlib.contextmanager
def opened(folder):
    connection = sqlite3.connect(folder / SAFETY / "audit.db", isolation_level=None)
    yield connection
    connection.close()


def bits(count):
    """LOOK with so many of its bits turned over."""
    return LOOK ^ ((1 << count) - 1)


def test_a_consent_is_found_again(ledger, reopen):
    assert ledger.consent_for(sha(1), LOOK) is None
    given = ledger.give(consent(kind="release", release_sha256=sha(7), adult_attested=True))
    assert given == consent(kind="release", release_sha256=sha(7), adult_attested=True)
    assert ledger.consent_for(sha(1), 5) == given
    ledger.close()
    assert reopen().consent_for(sha(1), 5) == given
    assert reopen().consents.count() == 1
    assert ledger.verify().ok


@pytest.mark.parametrize("kind", ["self", "synthetic", "licensed"])
@pytest.mark.parametrize("adult", [True, False])
def test_each_kind_comes_back_as_it_was(ledger, kind, adult):
    given = ledger.give(consent(kind=kind, adult_attested=adult))
    assert ledger.consent_for(sha(1), LOOK) == given == consent(kind=kind, adult_attested=adult)


def test_it_holds_for_a_resave_and_not_for_another_picture(ledger):
    ledger.give(consent())
    assert ledger.consent_for(sha(2), LOOK) == consent()
    assert ledger.consent_for(sha(2), bits(NEAR)) == consent()
    assert ledger.consent_for(sha(2), bits(NEAR + 1)) is None
    assert ledger.consent_for(sha(2), 0) is None
    assert NEAR == 2


def test_a_plain_picture_is_known_by_its_file_alone(ledger):
    ledger.give(consent(perceptual=0))
    assert ledger.consent_for(sha(2), 0) is None
    assert ledger.consent_for(sha(1), 0) is not None


def test_the_very_file_comes_before_its_likes_and_the_newest_first(ledger, clock):
    ledger.give(consent(1, kind="self"))
    clock.seconds += 10
    ledger.give(consent(2, kind="licensed", given=at(clock.seconds)))
    assert ledger.consent_for(sha(1), LOOK).kind == "self"
    assert ledger.consent_for(sha(3), LOOK).kind == "licensed"
    clock.seconds += 10
    ledger.give(consent(1, kind="synthetic", given=at(clock.seconds)))
    assert ledger.consent_for(sha(1), LOOK).kind == "synthetic"
    ledger.give(consent(1, kind="self", given=at(clock.seconds)))
    assert ledger.consent_for(sha(1), LOOK).kind == "self", "of the same moment, the later entry"
    assert ledger.consents.count() == 4


def test_twelve_months_and_not_a_moment_more(ledger, clock):
    ledger.give(consent())
    clock.seconds = START + 365 * DAY - 0.001
    assert ledger.consent_for(sha(1), LOOK) is not None
    clock.seconds = START + 365 * DAY
    assert ledger.consent_for(sha(1), LOOK) is None
    assert timedelta(days=365) == VALID_FOR


def test_an_expired_consent_hides_no_later_one(ledger, clock):
    ledger.give(consent())
    clock.seconds = START + 364 * DAY
    ledger.give(consent(2, kind="licensed", given=at(clock.seconds)))
    clock.seconds = START + 366 * DAY
    assert ledger.consent_for(sha(1), LOOK).kind == "licensed"


def test_a_clock_set_back_renews_nothing(ledger, clock, reopen):
    ledger.give(consent())
    clock.seconds = START + 366 * DAY
    ledger.log(event())
    assert ledger.consent_for(sha(1), LOOK) is None
    clock.seconds = START + 5
    assert ledger.consent_for(sha(1), LOOK) is None
    ledger.close()
    assert reopen().consent_for(sha(1), LOOK) is None


def test_with_the_clock_set_back_a_new_consent_still_holds(ledger, clock):
    ledger.log(event())
    clock.seconds = START - 400 * DAY
    given = ledger.give(consent(given=at(clock.seconds)))
    assert given.given == at(START)
    assert ledger.consent_for(sha(1), LOOK) == given
    clock.seconds = START + 364 * DAY
    assert ledger.consent_for(sha(1), LOOK) == given


def test_a_clock_that_is_a_little_behind_changes_nothing(ledger, clock):
    ledger.log(event())
    clock.seconds = START - DAY
    assert ledger.give(consent(given=at(clock.seconds))).given == at(clock.seconds)
    assert ledger.consent_for(sha(1), LOOK) is not None
    clock.seconds -= 0.001
    assert ledger.give(consent(given=at(clock.seconds))).given == at(START)


def test_no_consent_is_from_the_future_and_one_from_the_past_keeps_its_day(ledger, clock):
    assert ledger.give(consent(given=at(START + 1))).given == at(START)
    assert ledger.give(consent(2, given=at(START - 300 * DAY))).given == at(START - 300 * DAY)
    clock.seconds += 66 * DAY
    assert ledger.consent_for(sha(2), 5) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"photo_sha256": "x"},
        {"photo_sha256": "F" * 64},
        {"perceptual": -1},
        {"perceptual": 2**64},
        {"kind": "friend"},
        {"kind": "release"},
        {"kind": "self", "release_sha256": sha(7)},
        {"kind": "release", "release_sha256": "x"},
        {"given": datetime(2027, 1, 1)},
    ],
)
def test_what_makes_no_sense_is_not_kept(ledger, bad):
    with pytest.raises(ValueError, match=r"."):
        ledger.give(consent(**bad))
    assert ledger.consents.count() == 0


def test_asking_needs_a_hash(ledger):
    for ask in (lambda: ledger.consent_for("x", LOOK), lambda: ledger.consents.erase("x")):
        with pytest.raises(ValueError, match="SHA-256"):
            ask()


# --- erasing ---


def test_erased_it_is_a_tombstone_with_nothing_of_the_photo(ledger, folder, clock):
    ledger.give(consent(1))
    ledger.give(consent(1, kind="licensed"))
    ledger.give(consent(2, perceptual=~LOOK & (2**64 - 1)))
    clock.seconds += 5
    assert ledger.consents.erase(sha(1)) == 2
    assert ledger.consents.erase(sha(1)) == 0
    assert ledger.consents.erase(sha(9)) == 0
    assert ledger.consent_for(sha(1), LOOK) is None
    assert ledger.consents.count() == 1
    assert ledger.verify().ok
    with opened(folder) as connection:
        stones = connection.execute(
            "SELECT photo, perceptual, kind, given, release, adult, seq, erased FROM consents WHERE erased IS NOT NULL"
        ).fetchall()
    assert stones == [(None,) * 7 + ((START + 5) * 1000,)] * 2
    ledger.close()
    for path in (folder / SAFETY).iterdir():
        assert bytes.fromhex(sha(1)) not in path.read_bytes()


def test_the_log_names_no_photo(ledger, folder):
    ledger.give(consent(0xABCDEF, kind="release", release_sha256=sha(0xFEDCBA)))
    ledger.consents.erase(sha(0xABCDEF))
    with opened(folder) as connection:
        bodies = [json.loads(row[0]) for row in connection.execute("SELECT body FROM log ORDER BY seq")]
    assert [body["kind"] for body in bodies] == ["segment", "consent_given", "consent_erased"]
    assert (bodies[1]["basis"], bodies[1]["adult"]) == ("release", False)
    assert bodies[2]["why"] == "asked"
    assert bodies[1]["consent"] == bodies[2]["consent"]
    assert not any(sha(0xABCDEF) in json.dumps(body) or sha(0xFEDCBA) in json.dumps(body) for body in bodies)


def test_the_sweep_buries_what_has_expired(ledger, clock, folder):
    ledger.give(consent(1))
    clock.seconds = START + 1
    ledger.give(consent(2, given=at(START + 1), perceptual=5))
    clock.seconds = START + 365 * DAY
    before = ledger.verify().rows
    assert ledger.consents.sweep() == 1
    assert ledger.consents.count() == 1
    assert ledger.consents.sweep() == 0
    assert ledger.verify().rows == before + 1, "twice is once"
    with opened(folder) as connection:
        body = json.loads(connection.execute("SELECT body FROM log ORDER BY seq DESC LIMIT 1").fetchone()[0])
    assert (body["kind"], body["why"]) == ("consent_erased", "expired")
    clock.seconds = START + 2 * 365 * DAY
    assert ledger.consents.sweep() == 1
    with opened(folder) as connection:
        assert connection.execute("SELECT count(*) FROM consents").fetchone()[0] == 1, "old tombstones go too"


def test_the_sweep_may_be_shorter_and_not_longer(ledger, clock):
    assert ledger.consents.sweep() == 0
    ledger.give(consent(1))
    clock.seconds += DAY
    assert ledger.consents.sweep(timedelta(days=1, milliseconds=1)) == 0
    assert ledger.consents.sweep(timedelta(days=1)) == 1
    for keep in (timedelta(days=365, milliseconds=1), timedelta(milliseconds=-1)):
        with pytest.raises(ValueError, match="twelve"):
            ledger.consents.sweep(keep)
    assert ledger.consents.sweep(timedelta(0)) == 0, "the tombstone is of now"


@pytest.mark.parametrize("edit", ["perceptual = 'text'", "photo = 'text'", "mac = 7", "given = 'text'", "kind = x'ff'"])
def test_rows_of_other_types_are_no_consent(ledger, folder, reopen, edit):
    """SQLite keeps the types of a strict table; whoever edits the file may first make it a loose one."""
    ledger.give(consent(2))
    ledger.close()
    with opened(folder) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' STRICT', '') WHERE name = 'consents'")
    with opened(folder) as connection:
        connection.execute(f"UPDATE consents SET {edit}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE name = 'consents'")
    for photo in (1, 2):
        assert reopen().consent_for(sha(photo), LOOK) is None


def test_a_tombstone_is_no_consent():
    stone = _Stored(b"i" * 16, *(None,) * 7, 5, b"")
    assert stone.consent() is None
    for field in ("photo", "perceptual", "kind", "given"):
        whole = _Stored(b"i" * 16, b"p" * 32, b"l" * 8, "self", 5, None, 0, 1, None, b"")
        assert whole.consent() is not None
        assert replace(whole, **{field: None}).consent() is None


def test_counting_where_there_is_nothing(folder, reopen):
    assert reopen().consents.count() == 0
    assert not folder.exists()


# --- edits ---

EDITS = {
    "another photo": "UPDATE consents SET photo = x'" + sha(5) + "'",
    "another look": "UPDATE consents SET perceptual = x'0000000000000005'",
    "another kind": "UPDATE consents SET kind = 'licensed'",
    "an unknown kind": "UPDATE consents SET kind = 'anything'",
    "a later day": "UPDATE consents SET given = given + 1000",
    "no day": "UPDATE consents SET given = NULL",
    "another release": "UPDATE consents SET release = x'" + sha(6) + "'",
    "an adult": "UPDATE consents SET adult = 1",
    "another id": "UPDATE consents SET id = x'00112233445566778899aabbccddeeff'",
    "another entry": "UPDATE consents SET seq = 1",
    "no entry": "UPDATE consents SET seq = NULL",
    "a missing entry": "UPDATE consents SET seq = 77",
    "another seal": "UPDATE consents SET mac = zeroblob(32)",
    "an empty seal": "UPDATE consents SET mac = x''",
    "buried": "UPDATE consents SET erased = 5",
    "no look": "UPDATE consents SET perceptual = NULL",
    "an edited entry": "UPDATE log SET body = CAST(replace(body, '\"adult\":false', '\"adult\":true ') AS BLOB)",
    "an entry less": "DELETE FROM log WHERE seq = 3",
}


@pytest.mark.parametrize("edit", EDITS)
def test_editing_the_database_makes_no_consent(ledger, folder, reopen, edit):
    ledger.give(consent(1))
    ledger.log(event())
    ledger.close()
    with opened(folder) as connection:
        assert connection.execute(EDITS[edit]).rowcount
    for photo in (1, 5):
        for look in (LOOK, 5):
            found = reopen().consent_for(sha(photo), look)
            assert found is None, edit
    with reopen() as other:
        other.log(event())
        assert other.consent_for(sha(1), LOOK) is None


def test_a_consent_of_another_photo_cannot_be_copied(ledger, folder, reopen):
    ledger.give(consent(1))
    ledger.close()
    with opened(folder) as connection:
        row = connection.execute("SELECT * FROM consents").fetchone()
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO consents VALUES ({marks})", (b"n" * 16, bytes.fromhex(sha(5)), *row[2:]))
    assert reopen().consent_for(sha(5), 0) is None
    assert reopen().consent_for(sha(1), 0) is not None


def test_an_erased_consent_does_not_come_back(ledger, folder, reopen):
    ledger.give(consent(1))
    ledger.close()
    with opened(folder) as connection:
        row = connection.execute("SELECT * FROM consents").fetchone()
    with reopen() as other:
        other.consents.erase(sha(1))
    with opened(folder) as connection:
        connection.execute("DELETE FROM consents")
        connection.execute(f"INSERT INTO consents VALUES ({', '.join('?' * len(row))})", row)
    assert reopen().consent_for(sha(1), LOOK) is None
    with opened(folder) as connection:
        connection.execute("DELETE FROM log WHERE seq = 3")
    assert reopen().consent_for(sha(1), LOOK) is None


def test_a_consent_cannot_point_at_an_entry_of_another_kind(ledger, folder, reopen):
    """The erasing entry has the same id; it does not speak for the consent."""
    ledger.give(consent(1))
    ledger.close()
    with opened(folder) as connection:
        row = connection.execute("SELECT * FROM consents").fetchone()
    with reopen() as other:
        other.consents.erase(sha(1))
    with opened(folder) as connection:
        connection.execute("DELETE FROM consents")
        connection.execute(f"INSERT INTO consents VALUES ({', '.join('?' * len(row))})", row)
        connection.execute("UPDATE consents SET seq = 3")
    assert reopen().consent_for(sha(1), LOOK) is None


def test_without_its_key_a_consent_is_asked_for_again(ledger, folder, reopen):
    ledger.give(consent(1))
    ledger.close()
    (folder / SAFETY / KEY_FILE).unlink()
    with reopen() as other:
        assert other.consent_for(sha(1), LOOK) is None
        given = other.give(consent(1))
        assert other.consent_for(sha(1), LOOK) == given


def test_after_a_file_was_damaged_consent_is_asked_for_again(ledger, folder, reopen):
    ledger.give(consent(1))
    ledger.close()
    (folder / SAFETY / "audit.db").write_bytes(b"x" * 9000)
    with reopen() as other:
        assert other.consent_for(sha(1), LOOK) is None
        other.give(consent(1))
        assert other.consent_for(sha(1), LOOK) is None, "a log that lost entries renews nothing by itself"


def test_records_that_cannot_be_read_are_told(ledger, folder):
    (folder / SAFETY / "audit.db").mkdir(parents=True)
    with pytest.raises(NotAvailable) as refusal:
        ledger.consent_for(sha(1), LOOK)
    assert refusal.value.reason == "audit_unavailable"


def test_in_memory(clock):
    with Ledger(None, clock=clock, find_backend=none_there) as ledger:
        assert ledger.consents.count() == 0
        ledger.give(consent())
        assert ledger.consent_for(sha(1), LOOK) == consent()
        assert ledger.consents.erase(sha(1)) == 1
        assert ledger.consent_for(sha(1), LOOK) is None
