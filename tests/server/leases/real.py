"""The server of the walks as it is: signed texts, real functions, a real database, beside the pure one, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.blobs import new_key, public_of
from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.licensing.wire.lease import read_lease
from outfitswap_desktop.licensing.wire.receipts import Receipt, begin, sign_receipt
from outfitswap_desktop.server.leases import ending, reconcile
from outfitswap_desktop.server.leases.issue import Wish, issue
from outfitswap_desktop.server.leases.proofs import check_proof
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import devices
from outfitswap_desktop.server.tables.leases import leases
from tests.server.leases.conftest import add_device, open_account
from tests.server.leases.pure import PureServer
from tests.server.leases.walk import Broken, Grant, Told

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


T = TypeVar("T")


class RealServer:
    """See walk.Face. One account, two devices."""

    def __init__(self, services: Services, *, start: int) -> None:
        self.now = start
        self.services = services
        self.account_id = open_account(services, credits=0)
        self.keys: list[Ed25519PrivateKey] = [new_key(), new_key()]
        self.devices = [add_device(services, self.account_id, key) for key in self.keys]
        self.device_of: dict[str, int] = {}
        self._minted = 0
        self._bought = 0

    def buy(self, credits: int) -> None:
        self._minted += credits
        self._bought += 1
        with self.services.database.transaction() as tx:
            ref = f"{self.account_id}:{self._bought}"
            ledger.give(
                tx, self.account_id, bucket="paid", credits=credits, kind="purchase", ref=ref, actor="t", now=self.now
            )

    def issue(self, device: int, lease_id: str, *, credits: int, days: int) -> Grant | str:
        proof = self._proof(device, "lease")
        public = public_of(self.keys[device])
        wish = Wish(lease_id, self.account_id, self.devices[device], public, credits, days)
        try:
            with self.services.database.transaction() as tx:
                check_proof(tx, proof, purpose="lease", now=self.now)
                got = issue(tx, self.services, wish, now=self.now)
        except Refusal as refusal:
            return refusal.code
        self.device_of[lease_id] = device
        lease = read_lease(got.lease, self.services.keys.key_list(), now=self.now, device_public_key=public)
        return Grant(begin(lease), lease.not_after, lease.grace_until)

    def reconcile(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        return self._send(lease_id, receipts, reconcile.reconcile)

    def close(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        return self._send(lease_id, receipts, reconcile.close)

    def sweep(self) -> None:
        with self.services.database.transaction() as tx:
            ending.expire_due(tx, now=self.now)

    def sign_in_again(self, device: int) -> None:
        with self.services.database.transaction() as tx:
            tx.execute(update(devices).where(devices.c.id == self.devices[device]).values(state="active"))

    def available(self) -> int:
        return self._balance().available

    def minted(self) -> int:
        return self._minted

    def leased(self) -> int:
        return self._balance().leased

    def burned(self) -> int:
        with self.services.database.reading() as tx:
            spent = select(func.coalesce(func.sum(leases.c.spent), 0)).where(leases.c.account_id == self.account_id)
            return int(tx.execute(spent).scalar_one())

    def burned_by(self, lease_id: str) -> int:
        with self.services.database.reading() as tx:
            return int(tx.execute(select(leases.c.spent).where(leases.c.id == lease_id)).scalar_one())

    def flagged(self) -> frozenset[str]:
        with self.services.database.reading() as tx:
            found = select(leases.c.id).where(leases.c.account_id == self.account_id, leases.c.forked_at.is_not(None))
            return frozenset(tx.execute(found).scalars())

    def off(self) -> dict[str, int]:
        """The ledger's own verdict, by invariant: only what is not 0."""
        with self.services.database.reading() as tx:
            report = verify(tx)
        return {} if report.ok else {"off": 1}

    def _send(self, lease_id: str, receipts: Sequence[Receipt], how: object) -> Told | str:
        device = self.device_of[lease_id]
        blobs = [sign_receipt(receipt, self.keys[device]) for receipt in receipts]
        try:
            upload = reconcile.read_upload(lease_id, blobs, proof=self._proof(device, "reconcile"), now=self.now)
            with self.services.database.transaction() as tx:
                told: messages.Reconciled = how(tx, upload, account_id=self.account_id, now=self.now)  # type: ignore[operator]
        except Refusal as refusal:
            return refusal.code
        return Told(**told.model_dump())

    def _proof(self, device: int, purpose: str) -> str:
        return make_proof(
            self.keys[device],
            purpose=purpose,
            fingerprint=f"{device:064x}",
            label="Studio",
            os="Linux",
            app_version="0.1.0",
            now=self.now,
        )

    def _balance(self) -> messages.Balance:
        with self.services.database.reading() as tx:
            return ledger.balance(tx, self.account_id, now=self.now)


class BothServers:
    """The real and the pure server, told the same; they must answer the same."""

    def __init__(self, real: RealServer, pure: PureServer) -> None:
        self.real = real
        self.pure = pure

    @property
    def now(self) -> int:
        return self.pure.now

    @now.setter
    def now(self, at: int) -> None:
        self.real.now = self.pure.now = at

    def buy(self, credits: int) -> None:
        self.real.buy(credits)
        self.pure.buy(credits)

    def issue(self, device: int, lease_id: str, *, credits: int, days: int) -> Grant | str:
        got = self.real.issue(device, lease_id, credits=credits, days=days)
        self.pure.genesis = None if isinstance(got, str) else got.chain.head
        return _same(got, self.pure.issue(device, lease_id, credits=credits, days=days))

    def reconcile(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        return _same(self.real.reconcile(lease_id, receipts), self.pure.reconcile(lease_id, receipts))

    def close(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        return _same(self.real.close(lease_id, receipts), self.pure.close(lease_id, receipts))

    def sweep(self) -> None:
        self.real.sweep()
        self.pure.sweep()

    def sign_in_again(self, device: int) -> None:
        self.real.sign_in_again(device)
        self.pure.sign_in_again(device)

    def available(self) -> int:
        return _same(self.real.available(), self.pure.available())

    def minted(self) -> int:
        return _same(self.real.minted(), self.pure.minted())

    def leased(self) -> int:
        return _same(self.real.leased(), self.pure.leased())

    def burned(self) -> int:
        return _same(self.real.burned(), self.pure.burned())

    def burned_by(self, lease_id: str) -> int:
        return _same(self.real.burned_by(lease_id), self.pure.burned_by(lease_id))

    def flagged(self) -> frozenset[str]:
        return _same(self.real.flagged(), self.pure.flagged())


def _same(real: T, pure: T) -> T:
    if real != pure:
        raise Broken(f"the servers differ: {real} and {pure}")
    return real
