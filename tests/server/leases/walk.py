"""Random walks of devices, honest and not, against a server: what they do, and what must hold after every step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Protocol

from outfitswap_desktop.licensing.wire.receipts import Chain, Kind, Receipt

HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass(frozen=True)
class Grant:
    """What a device needs of a lease."""

    chain: Chain
    not_after: int
    grace_until: int


@dataclass(frozen=True)
class Told:
    """What the server answers to an upload."""

    accepted: int
    duplicate: int
    late: int
    forked: bool
    state: str
    spent: int
    left: int
    seq: int
    head: str
    reason: str


class Face(Protocol):
    """A server as devices see it. Refusals are given as their code."""

    now: int

    def buy(self, credits: int) -> None: ...
    def issue(self, device: int, lease_id: str, *, credits: int, days: int) -> Grant | str: ...
    def reconcile(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str: ...
    def close(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str: ...
    def sweep(self) -> None: ...
    def sign_in_again(self, device: int) -> None: ...
    def available(self) -> int: ...
    def minted(self) -> int: ...
    def leased(self) -> int: ...
    def burned(self) -> int: ...
    def burned_by(self, lease_id: str) -> int: ...
    def flagged(self) -> frozenset[str]:
        """Leases that are known to be forked or broken."""
        ...


@dataclass
class Journal:
    """One copy of a device's record of one lease."""

    lease_id: str
    grant: Grant
    chain: Chain
    receipts: list[Receipt] = field(default_factory=list)
    acknowledged: int = 0
    stopped: bool = False

    def copied(self) -> Journal:
        twin = copy(self)
        twin.receipts = list(self.receipts)
        return twin

    def append(self, receipt: Receipt) -> None:
        self.chain = self.chain.after(receipt)
        self.receipts.append(receipt)


@dataclass
class Machine:
    """A running copy of a device: clones share `device`. `ahead` is how far its clock is off."""

    device: int
    journal: Journal | None = None
    saved: Journal | None = None
    ahead: int = 0
    jobs: int = 0


@dataclass
class Totals:
    """What all walks together came to."""

    walks: int = 0
    steps: int = 0
    leases: int = 0
    forks: int = 0
    honest_work: int = 0
    honest_unpaid: int = 0
    cheated_work: int = 0
    cheated_unpaid: int = 0
    late: int = 0


class Broken(AssertionError):
    """Something that must hold does not."""


class Walk:
    """One account, two devices, their clones and snapshots, and a network that loses, repeats and delays."""

    def __init__(self, face: Face, chance: random.Random, *, honest: bool, new_id: object) -> None:
        self.face = face
        self.chance = chance
        self.honest = honest
        self._new_id = new_id
        self.machines = [Machine(0), Machine(1)]
        self.journals: list[Journal] = []
        self.delivered: dict[str, dict[int, set[Receipt]]] = {}
        self.in_flight: list[tuple[str, tuple[Receipt, ...]]] = []
        self.lied: set[str] = set()
        self.late = 0
        self.moves = [self.work] * 12 + [self.upload] * 3 + [self.take, self.give_back, self.time_passes, self.buy] * 2
        self.moves += [self.lost_answer, self.replay, self.late_delivery, self.clock, self.crash]
        if not honest:
            self.moves += [self.clone, self.snapshot, self.roll_back, self.leave_out, self.keep_on]
            self.moves += [self.lie] * (chance.random() < 0.2)
        face.buy(200)

    # --- what happens -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One thing happens."""
        self.chance.choice(self.moves)()
        self.check()

    def buy(self) -> None:
        self.face.buy(self.chance.randint(1, 60))

    def take(self, machine: Machine | None = None) -> None:
        """Take credits along, if the machine has none."""
        machine = machine or self.any_machine()
        if machine.journal is not None and not machine.journal.stopped:
            return
        lease_id = self._new_id()  # type: ignore[operator]
        wanted = self.chance.randint(1, 40)
        got = self.face.issue(machine.device, lease_id, credits=wanted, days=self.chance.choice((1, 3, 7, 30)))
        if isinstance(got, str):
            if got == "device_not_active":
                self.face.sign_in_again(machine.device)
            return
        machine.journal = Journal(lease_id, got, got.chain)
        self.journals.append(machine.journal)

    def work(self) -> None:
        """Begin a job, or end one that runs."""
        machine = self.any_machine()
        journal = machine.journal
        if journal is None:
            self.take(machine)
            return
        running = list(journal.chain.holds)
        if running and self.chance.random() < 0.6:
            self.finish(machine, self.chance.choice(running), kind="commit" if self.chance.random() < 0.8 else "void")
        elif not journal.stopped and self.wall(machine) <= journal.grant.not_after and journal.chain.left:
            machine.jobs += 1
            credits = self.chance.randint(1, min(3, journal.chain.left))
            job = f"job{id(machine) % 9973}-{machine.jobs}"
            if job not in journal.chain.holds:
                journal.append(journal.chain.next("hold", job, credits=credits, at=self.wall(machine)))

    def finish(self, machine: Machine, job: str, *, kind: Kind) -> None:
        journal = machine.journal
        assert journal is not None
        held = journal.chain.holds[job]
        credits = self.chance.randint(1, held) if kind == "commit" else 0
        digest = f"{self.chance.getrandbits(256):064x}" if kind == "commit" else ""
        journal.append(journal.chain.next(kind, job, credits=credits, at=self.wall(machine), output_sha256=digest))

    def crash(self) -> None:
        """The program dies; at its next start every open hold is settled by whether its output is there."""
        machine = self.any_machine()
        if machine.journal is not None:
            for job in list(machine.journal.chain.holds):
                self.finish(machine, job, kind=self.chance.choice(("commit", "void")))

    def upload(self) -> None:
        """Send what is not acknowledged, or a beginning of it."""
        machine = self.any_machine()
        if machine.journal is not None:
            rest = machine.journal.receipts[machine.journal.acknowledged :]
            self.send(machine.journal, rest[: self.chance.choice((1, 2, 5, 500))])

    def lost_answer(self) -> None:
        """The server takes it in; the device never hears of it, and will send the same again."""
        machine = self.any_machine()
        if machine.journal is not None:
            self.deliver(machine.journal.lease_id, machine.journal.receipts[machine.journal.acknowledged :])

    def replay(self) -> None:
        """Old receipts again, from anywhere, in any order."""
        if self.journals:
            journal = self.chance.choice(self.journals)
            start = self.chance.randint(0, len(journal.receipts))
            old = journal.receipts[start : start + self.chance.randint(0, 8)]
            self.chance.shuffle(old)
            self.deliver(journal.lease_id, old)

    def late_delivery(self) -> None:
        """What was sent long ago arrives now; something else sets out."""
        if self.in_flight and self.chance.random() < 0.6:
            lease_id, receipts = self.in_flight.pop(self.chance.randrange(len(self.in_flight)))
            self.deliver(lease_id, receipts)
        elif self.journals:
            journal = self.chance.choice(self.journals)
            self.in_flight.append((journal.lease_id, tuple(journal.receipts)))

    def give_back(self) -> None:
        """A device stops, settles its jobs and gives back; the answer may be lost."""
        machine = self.any_machine()
        journal = machine.journal
        if journal is None or (self.honest and journal.chain.holds):
            return
        journal.stopped = True
        rest = tuple(journal.receipts[journal.acknowledged :])
        told = self.face.close(journal.lease_id, rest)
        self.note(journal.lease_id, rest, told)
        if self.chance.random() < 0.8 and isinstance(told, Told):
            self.acknowledge(journal, told)
            if told.state not in ("open",):
                machine.journal = None
            elif self.chance.random() < 0.5:
                journal.stopped = False

    def time_passes(self) -> None:
        """Hours or days. An honest device reports before the grace of its lease is over."""
        away = self.chance.choice((HOUR, HOUR, HOUR, 8 * HOUR, DAY, DAY, 2 * DAY, 9 * DAY, 40 * DAY))
        if self.honest:
            for machine in self.machines:
                journal = machine.journal
                if journal is not None and self.face.now + away >= journal.grant.grace_until:
                    self.crash_of(machine)
                    self.send(journal, journal.receipts[journal.acknowledged :])
                    machine.journal = None
        self.face.now += away
        if self.chance.random() < 0.7:
            self.face.sweep()

    def crash_of(self, machine: Machine) -> None:
        assert machine.journal is not None
        for job in list(machine.journal.chain.holds):
            self.finish(machine, job, kind="commit")

    def clock(self) -> None:
        """Somebody sets a device's clock."""
        self.any_machine().ahead = self.chance.choice((0, 0, -400 * DAY, -DAY, 12 * HOUR, 400 * DAY))

    # --- cheats -----------------------------------------------------------------------------------------------------

    def clone(self) -> None:
        machine = self.any_machine()
        if machine.journal is not None and len(self.machines) < 6:
            twin = Machine(machine.device, machine.journal.copied(), jobs=machine.jobs)
            self.machines.append(twin)
            assert twin.journal is not None
            self.journals.append(twin.journal)

    def snapshot(self) -> None:
        machine = self.any_machine()
        if machine.journal is not None:
            machine.saved = machine.journal.copied()

    def roll_back(self) -> None:
        machine = self.any_machine()
        if machine.saved is not None:
            machine.journal = machine.saved.copied()
            machine.jobs += 1000
            self.journals.append(machine.journal)

    def lie(self) -> None:
        """Sign what the lease does not hold: too much, nothing held, settled twice, a job twice, a broken link."""
        machine = self.any_machine()
        journal = machine.journal
        if journal is None:
            return
        chain, at = journal.chain, self.wall(machine)
        digest = "ab" * 32
        lies = [
            chain.next("hold", "lie", credits=chain.left + 1, at=at),
            chain.next("commit", "nobody", credits=1, at=at, output_sha256=digest),
            chain.next("void", "nobody", credits=0, at=at),
            replace(chain.next("hold", "lie", credits=1, at=at), prev="0" * 64),
        ]
        for job, held in chain.holds.items():
            lies.append(chain.next("commit", job, credits=held + 1, at=at, output_sha256=digest))
            lies.append(chain.next("hold", job, credits=1, at=at))
        false = self.chance.choice(lies)
        self.lied.add(journal.lease_id)
        self.deliver(journal.lease_id, [*journal.receipts, false])

    def leave_out(self) -> None:
        """Send a chain with one receipt missing."""
        machine = self.any_machine()
        if machine.journal is not None and len(machine.journal.receipts) > 1:
            holes = list(machine.journal.receipts)
            del holes[self.chance.randrange(len(holes))]
            self.deliver(machine.journal.lease_id, holes)

    def keep_on(self) -> None:
        """Go on with a lease that was given back."""
        given = [journal for journal in self.journals if journal.stopped]
        if given:
            machine = self.any_machine()
            again = self.chance.choice(given).copied()
            again.stopped = False
            self.journals.append(again)
            self.machines.append(Machine(machine.device, again, jobs=machine.jobs + 500))
            del self.machines[6:]

    # --- the network ------------------------------------------------------------------------------------------------

    def send(self, journal: Journal, receipts: Sequence[Receipt]) -> None:
        told = self.deliver(journal.lease_id, receipts)
        if isinstance(told, Told):
            self.acknowledge(journal, told)

    def deliver(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        told = self.face.reconcile(lease_id, receipts)
        self.note(lease_id, receipts, told)
        return told

    def note(self, lease_id: str, receipts: Sequence[Receipt], told: Told | str) -> None:
        if isinstance(told, str):
            raise Broken(f"an upload was refused: {told}")
        self.late += told.late
        for receipt in receipts:
            self.delivered.setdefault(lease_id, {}).setdefault(receipt.seq, set()).add(receipt)

    def acknowledge(self, journal: Journal, told: Told) -> None:
        if told.seq <= len(journal.receipts):
            journal.acknowledged = max(journal.acknowledged, told.seq)

    def any_machine(self) -> Machine:
        return self.chance.choice(self.machines)

    def wall(self, machine: Machine) -> int:
        return max(self.face.now + machine.ahead, 0)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """After every step."""
        face = self.face
        available, leased = face.available(), face.leased()
        if available < 0 or leased < 0:
            raise Broken("a balance is negative")
        if available + leased + face.burned() != face.minted():
            raise Broken("credits were made or lost")
        for lease_id, credits in {one.lease_id: one.grant.chain.credits for one in self.journals}.items():
            if face.burned_by(lease_id) > credits:
                raise Broken("more was burned than the lease holds")
        if self.honest and face.flagged():
            raise Broken("an honest device was taken for a clone")

    def settle(self, totals: Totals) -> None:
        """The end of the walk: all machines come home with all they have; then every grace passes."""
        if self.honest:
            for machine in self.machines:
                if machine.journal is not None:
                    self.crash_of(machine)
        for journal in self.journals:
            for start in range(0, len(journal.receipts), 500):
                self.deliver(journal.lease_id, journal.receipts[start : start + 500])
        self.face.now += 61 * DAY
        self.face.sweep()
        self.check()
        if self.face.leased():
            raise Broken("credits stay with leases that have ended")
        self.count(totals)

    def count(self, totals: Totals) -> None:
        """Every fork of which both sides came home is found; honest work is paid."""
        flagged = self.face.flagged()
        for lease_id, seen in self.delivered.items():
            if any(len(receipts) > 1 for receipts in seen.values()) and lease_id not in flagged:
                raise Broken("a fork was not found")
        work: dict[str, set[Receipt]] = {}
        for journal in self.journals:
            done = {receipt for receipt in journal.receipts if receipt.kind == "commit"}
            work.setdefault(journal.lease_id, set()).update(done)
        for lease_id, commits in work.items():
            worth, burned = sum(one.credits for one in commits), self.face.burned_by(lease_id)
            if burned > worth:
                raise Broken("more was burned than was done")
            if self.honest:
                totals.honest_work += worth
                totals.honest_unpaid += worth - burned
            else:
                totals.cheated_work += worth
                totals.cheated_unpaid += worth - burned
        totals.walks += 1
        totals.leases += len(work)
        totals.forks += len(flagged)
        totals.late += self.late


def run(face: Face, *, seed: int, steps: int, honest: bool, new_id: object, totals: Totals) -> None:
    """One walk from beginning to end; raises Broken."""
    walk = Walk(face, random.Random(seed), honest=honest, new_id=new_id)
    for _ in range(steps):
        walk.step()
    totals.steps += steps
    walk.settle(totals)
