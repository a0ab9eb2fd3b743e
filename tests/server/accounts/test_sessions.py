"""Sessions on both databases: tokens, rotation, reuse, and their end."""

from outfitswap_desktop.server.accounts import people, sessions


def test_opened(services):
    now = services.clock()
    with services.database.transaction() as tx:
        me = people.create(tx, email="Ada@Example.org", password_hash="x", now=now)
        tokens = sessions.open_session(
            tx, services, me, device_id=None, kind="program", agent="test", ip="192.0.2.77", now=now
        )
    caller, frozen = sessions.authenticate(services, tokens.access_token, now=now)
    assert caller.account_id == me
    assert not frozen
