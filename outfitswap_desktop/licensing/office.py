"""The credits' server as this machine knows it: its address, its keys and prices, and whether it answered the last time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing.address import Address, find_address
from outfitswap_desktop.licensing.identity import Identity, signed_out
from outfitswap_desktop.licensing.link import Link, Unreachable
from outfitswap_desktop.store.lease_journal import LeaseJournal

if TYPE_CHECKING:
    import httpx

    from outfitswap_desktop.licensing.clock import HighWater
    from outfitswap_desktop.licensing.wire.keylist import KeyList

    T = TypeVar("T")

KEYS_EVERY_MS: Final = 24 * 3_600_000
"""How old the list of keys may be before it is asked for again."""

PRICES_EVERY_MS: Final = 24 * 3_600_000


class Office:
    """One server of one data folder; thread-safe. `transport` and `verify` are Link's, for tests."""

    def __init__(
        self,
        journal: LeaseJournal,
        identity: Identity,
        clock: HighWater,
        *,
        transport: httpx.BaseTransport | None = None,
        verify: Any = None,
    ) -> None:
        self.journal = journal
        self.identity = identity
        self._clock = clock
        self._transport = transport
        self._verify = verify
        self._turn = threading.Lock()
        self._link: Link | None = None
        self._known_keys: tuple[str, KeyList] | None = None

    def close(self) -> None:
        """Close what is open."""
        with self._turn:
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def address(self) -> Address | None:
        """The server in use, None when there is none."""
        return find_address(self.journal.facts())

    def link(self) -> Link:
        """The way to the server. Raises NotAvailable ("no_server")."""
        address = self.address()
        if address is None:
            raise no_server()
        with self._turn:
            if self._link is None or self._link.server != address.server:
                self._link = Link(
                    address.server, heard=self._clock.hear, transport=self._transport, verify=self._verify
                )
            return self._link

    def call(self, ask: Callable[[Link, str], T]) -> T:
        """`ask(link, token)` as whoever is signed in. Raises NotAvailable ("signed_out"), Unreachable, Refused."""
        if "session" not in self.journal.facts():
            raise signed_out()
        link = self.link()
        try:
            answer = self.identity.call(link, lambda token: ask(link, token))
        except Unreachable:
            self.note({"contact": "failed"})
            raise
        except NotAvailable as problem:
            self.note({"contact": "ok"} | ({"session": None} if problem.reason == "signed_out" else {}))
            raise
        self.note({"contact": "ok"})
        return answer

    def note(self, facts: Mapping[str, str | None]) -> None:
        """Keep facts; nothing is written when nothing changes."""
        known = self.journal.facts()
        changed = {name: value for name, value in facts.items() if known.get(name) != value}
        if changed:
            with self.journal.writing() as tx:
                tx.set_facts(changed)

    # Keys

    def root(self) -> bytes | None:
        """The public root key that is believed: the build's own, else the one pinned at the first activation."""
        from outfitswap_desktop.licensing.wire.blobs import decode

        address = self.address()
        text = (address.root_key if address is not None else "") or self.journal.facts().get("root", "")
        return decode(text) if text else None

    def keys(self) -> KeyList:
        """The newest list of the server's keys that was seen here. Raises NotAvailable ("no_keys")."""
        from outfitswap_desktop.licensing.wire.blobs import BlobError
        from outfitswap_desktop.licensing.wire.keylist import read_key_list

        blob, root = self.journal.facts().get("keys", ""), self.root()
        known = self._known_keys
        if known is not None and known[0] == blob:
            return known[1]
        try:
            if not blob or root is None:
                raise BlobError("malformed", "There is no list.")
            keys = read_key_list(blob, root, at_least_version=1)
        except BlobError as problem:
            raise NotAvailable(
                "The keys of the credits' server are not known here yet.",
                reason="no_keys",
                hint="Go online once: `outfitswap licence status`.",
            ) from problem
        self._known_keys = (blob, keys)
        return keys

    def keep_keys(self, blob: str, root: bytes) -> KeyList:
        """Believe a newer list; raises BlobError for one that is older or not the root's."""
        from outfitswap_desktop.licensing.wire.blobs import encode
        from outfitswap_desktop.licensing.wire.keylist import read_key_list

        try:
            least = self.keys().version
        except NotAvailable:
            least = 1
        keys = read_key_list(blob, root, at_least_version=least)
        self.note({"keys": blob, "keys_at": str(self._clock.now()), "root": encode(root)})
        return keys

    def fetch_keys(self, *, always: bool = False) -> None:
        """Ask for the list of keys when the known one is a day old. Raises NotAvailable ("root_changed"), Unreachable."""
        from outfitswap_desktop.licensing.wire.blobs import BlobError, decode
        from outfitswap_desktop.licensing.wire.messages import SigningKeyList

        facts = self.journal.facts()
        if not always and "keys" in facts and self._clock.now() - int(facts.get("keys_at", "0")) < KEYS_EVERY_MS:
            return
        answer = self.link().ask("GET", "/.well-known/outfitswap-keys", SigningKeyList)
        try:
            root = self.root() or decode(answer.root)
            self.keep_keys(answer.list, root)
        except BlobError as problem:
            if problem.reason == "older_list":
                return  # a server behind a cache; what is known here stays
            raise NotAvailable(
                "The server shows keys that are not signed with the root key known here.",
                reason="root_changed",
                hint="Ask whoever runs the server for the fingerprint of its root key before you go on.",
            ) from problem

    # Prices

    def prices(self) -> dict[str, int] | None:
        """Credits for one image by engine, as last heard; None when they never were."""
        text = self.journal.facts().get("prices")
        if text is None:
            return None
        found: dict[str, int] = json.loads(text)
        return found

    def fetch_prices(self) -> dict[str, int]:
        """Ask for the prices; needs no account. Raises Unreachable."""
        from outfitswap_desktop.licensing.wire.messages import Prices

        answer = self.link().ask("GET", "/v1/prices", Prices)
        self.keep_prices(answer.prices)
        return answer.prices

    def keep_prices(self, prices: Mapping[str, int]) -> None:
        """Keep prices as last heard."""
        self.note({"prices": json.dumps(dict(prices), sort_keys=True), "prices_at": str(self._clock.now())})

    def prices_of_today(self) -> dict[str, int] | None:
        """The known prices; asked for again when they are a day old and the server can be asked."""
        facts = self.journal.facts()
        if "session" in facts and self._clock.now() - int(facts.get("prices_at", "0")) > PRICES_EVERY_MS:
            with suppress(NotAvailable):
                return self.fetch_prices()
        return self.prices()


def no_server() -> NotAvailable:
    """The error where no credits' server is set."""
    return NotAvailable(
        "This program has no credits' server: nothing is charged, and every engine runs.",
        reason="no_server",
        hint="Name one with `outfitswap licence activate --server URL`.",
    )
