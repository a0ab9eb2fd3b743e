"""What a key does when the database asks for another try, and when it is away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy.exc import OperationalError

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.ledger.idempotency import once
from outfitswap_desktop.server.services import Services
from tests.server.ledger.conftest import open_person


class Lost(Exception):
    """A driver's error."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def ask(services: Services, failures: list[OperationalError]) -> tuple[Any, int]:
    account = open_person(services.database)
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [(b"idempotency-key", b"k")]}
    tries = 0

    def action(_: object, now: int) -> messages.Answer:
        nonlocal tries
        tries += 1
        if failures:
            raise failures.pop()
        return messages.Prices(version=tries, prices={})

    answer = once(services, SimpleNamespace(account_id=account), Request(scope), None, action)
    return answer, tries


def test_a_lost_deadlock_is_tried_again(services: Services) -> None:
    failures = [OperationalError("", {}, Lost("40P01")), OperationalError("", {}, Lost("40001"))]
    answer, tries = ask(services, failures)
    assert (answer.status_code, tries) == (200, 3)


def test_a_connection_that_broke_is_tried_again(services: Services) -> None:
    answer, tries = ask(services, [OperationalError("", {}, Lost("57P01"), connection_invalidated=True)])
    assert (answer.status_code, tries) == (200, 2)


def test_but_not_for_ever_and_not_for_every_error(services: Services) -> None:
    with pytest.raises(OperationalError):
        ask(services, [OperationalError("", {}, Lost("40001")) for _ in range(3)])
    with pytest.raises(OperationalError):
        ask(services, [OperationalError("", {}, Lost("53300"))])
