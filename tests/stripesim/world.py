"""What the imitation of Stripe knows: its objects in memory, the events they made, and how lists of them are read."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from stripe import api_version

from tests.stripesim.trouble import missing

Thing = dict[str, Any]

PREFIXES = {
    "customer": "cus_",
    "product": "prod_",
    "price": "price_",
    "checkout.session": "cs_test_",
    "payment_intent": "pi_",
    "charge": "ch_",
    "refund": "re_",
    "dispute": "du_",
    "invoice": "in_",
    "balance_transaction": "txn_",
    "event": "evt_",
}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class World:
    """All objects by id. Every change happens under `lock`; `announce` is told of each event, in order."""

    def __init__(self, *, address: str, announce: Callable[[Thing], None], tax_percent: int = 19) -> None:
        self.address = address
        self.tax_percent = tax_percent
        self.lock = threading.RLock()
        self.things: dict[str, dict[str, Thing]] = {kind: {} for kind in PREFIXES}
        self._announce = announce
        self._chance = random.Random()

    def clear(self) -> None:
        """Forget everything."""
        for things in self.things.values():
            things.clear()

    def add(self, kind: str, **members: Any) -> Thing:
        """A new object of a kind, with an id of its own."""
        ident = PREFIXES[kind] + "".join(self._chance.choices(_ALPHABET, k=24))
        thing = {"id": ident, "object": kind, "created": int(time.time()), "livemode": False, **members}
        self.things[kind][ident] = thing
        return thing

    def get(self, kind: str, ident: str) -> Thing:
        """The object with this id; raises Trouble (404)."""
        try:
            return self.things[kind][ident]
        except KeyError:
            raise missing(kind, ident) from None

    def event(self, kind: str, thing: Thing) -> Thing:
        """Record that something happened, with the object as it is now, and have it told."""
        event = self.add(
            "event",
            type=kind,
            api_version=api_version,
            data={"object": copy.deepcopy(shown(thing))},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
        )
        self._announce(event)
        return event

    def page(self, kind: str, params: Mapping[str, Any], *, same: tuple[str, ...] = ()) -> Thing:
        """A page of a list, newest first: `limit`, `starting_after`, `created`, and equality for the members in `same`."""
        found = list(reversed(self.things[kind].values()))
        for member in same:
            if member in params:
                found = [thing for thing in found if thing.get(member) == params[member]]
        if kind == "event" and "types" in params:
            found = [thing for thing in found if thing["type"] in params["types"]]
        found = [thing for thing in found if _within(thing["created"], params.get("created"))]
        if "starting_after" in params:
            ids = [thing["id"] for thing in found]
            if params["starting_after"] not in ids:
                raise missing(kind, params["starting_after"])
            found = found[ids.index(params["starting_after"]) + 1 :]
        limit = int(params.get("limit", 10))
        return {
            "object": "list",
            "data": [shown(thing) for thing in found[:limit]],
            "has_more": len(found) > limit,
            "url": f"/v1/{kind.replace('.', '/')}s",
        }


def shown(thing: Thing) -> Thing:
    """An object as the API shows it: without what the imitation keeps for itself."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}


def _within(created: int, asked: Any) -> bool:
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return created == int(asked)
    tests: dict[str, Callable[[int], bool]] = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    return all(tests[name](int(bound)) for name, bound in asked.items())
