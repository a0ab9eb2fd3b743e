"""What the Models page has done: listing, fetching, checking, taking in and removing weights, off the window's thread.

Lives as long as the window, so that a download goes on when the page is closed. Nothing here reaches the network before
the user has asked for a download.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Signal

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled, KnownError
from outfitswap_desktop.ui.background import Background, told
from outfitswap_desktop.ui.pages.weights_words import purpose_of

if TYPE_CHECKING:
    from outfitswap_desktop.weights.catalogue import Weights
    from outfitswap_desktop.weights.fetch import Fetcher, Fetching, Plan
    from outfitswap_desktop.weights.importing import Look, StructureCheck
    from outfitswap_desktop.weights.network import Network
    from outfitswap_desktop.weights.store import WeightsStore

TELL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class WeightsRow:
    """One set of weights as the page shows it.

    `size` in bytes (`about`: an estimate). `state`: installed, missing, partial, damaged, or while it is worked on fetching or
    checking. `asks`: its licence has to be accepted, `accepted`: it was. `memory` is the least graphics memory in GB.
    `also` names what else the engine of these weights does not run without and is not installed.
    """

    name: str
    purpose: str
    size: int
    licence: str
    state: str
    id: str = ""
    about: bool = False
    pinned: bool = False
    asks: bool = False
    accepted: bool = False
    commercial: bool = True
    restrictions: bool = False
    licence_url: str = ""
    source: str = ""
    memory: float | None = None
    importable: bool = False
    also: str = ""

    @property
    def key(self) -> str:
        return self.id or self.name


@dataclass(frozen=True, slots=True)
class Doing:
    """What is being done: `what` is fetch, verify, import or remove; `stage` as in weights.fetch.Fetching; bytes a second."""

    id: str
    what: str
    stage: str = ""
    done: int = 0
    total: int | None = None
    speed: float = 0.0


class WeightsWork(QObject):
    """One thing is done at a time; listing goes on beside it."""

    listed = Signal(object, object)
    """The rows, and the free bytes of their disk."""
    planned = Signal(str, object)
    """An id, and its Plan or the KnownError that kept it from being made."""
    looked = Signal(object)
    """A Look at files that may be taken in, or a KnownError."""
    networked = Signal(object)
    """How downloads reach the network: a Network."""
    network_kept = Signal(object)
    """What was wrong with what should be kept: a KnownError, or None."""
    moved = Signal(object)
    """Doing: how far it is."""
    ended = Signal(object, object)
    """Doing, and what came of it: None, a tuple of faults, or a KnownError. Cancelled ends with None and stage "cancelled"."""

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        store: Callable[[], WeightsStore] | None = None,
        check: StructureCheck | None = None,
    ) -> None:
        super().__init__(parent)
        self._make_store = store
        self._check = check
        self._quick = Background(self)
        self._long = Background(self)
        self._cancel, self._asking = CancelToken(), CancelToken()
        self.doing: Doing | None = None

    def refresh(self) -> None:
        """List what there is; the answer comes as `listed`."""

        def look() -> tuple[tuple[WeightsRow, ...], int]:
            from outfitswap_desktop.weights.fetch import free_bytes

            store = self._store()
            return tuple(_row(store, each) for each in store.catalogue.weights.values()), free_bytes(store.folder)

        self._quick.run(told(look), self._list, key="list")

    def network(self) -> None:
        """Read how downloads reach the network; the answer comes as `networked`."""

        def read() -> Network:
            from outfitswap_desktop.weights.network import read_network

            return read_network(self._store().folder)

        self._quick.run(read, self.networked.emit, key="network")

    def set_network(self, network: Network) -> None:
        """Keep how downloads reach the network; the answer comes as `network_kept`."""

        def write() -> None:
            from outfitswap_desktop.weights.network import write_network

            write_network(self._store().folder, network)

        self._quick.run(told(write), self.network_kept.emit)

    def plan(self, weights_id: str) -> None:
        """Ask what a download would cost; the answer comes as `planned`."""

        def ask() -> Plan:
            return self._fetcher().plan(weights_id, cancel=cancel)

        self.forget_plan()
        self._asking = cancel = CancelToken()
        self._quick.run(told(ask), lambda answer: self._plan(weights_id, answer), key="plan")

    def forget_plan(self) -> None:
        """The answer to `plan` is not wanted any more."""
        self._asking.set()
        self._quick.forget("plan")

    def fetch(self, weights_id: str, *, accept: bool = False) -> None:
        """Fetch weights, after recording that their licence was accepted when it was."""

        def work(cancel: CancelToken) -> None:
            store = self._store()
            if accept and not store.accepted(weights_id):
                store.accept(weights_id)
            self._fetcher().fetch(weights_id, report=self._teller(weights_id, "fetch"), cancel=cancel)

        self._begin(Doing(weights_id, "fetch", "asking"), work)

    def verify(self, weights_id: str) -> None:
        """Hash every file again; ends with the faults."""

        def work(cancel: CancelToken) -> tuple[str, ...]:
            store, tell = self._store(), self._bytes_teller(weights_id, "verify", cancel)
            return store.faults(weights_id, full=True, report=tell(store.size(weights_id)))

        self._begin(Doing(weights_id, "verify", "checking"), work)

    def remove(self, weights_id: str) -> None:
        """Delete weights."""
        self._begin(Doing(weights_id, "remove"), lambda _cancel: self._store().remove(weights_id) and None)

    def look(self, weights_id: str, source: Path) -> None:
        """See whether files of the user's own can be taken in; the answer comes as `looked`."""

        def look() -> Look:
            found: Look = self._importer().look(weights_id, source, cancel=CancelToken())
            return found

        self._quick.run(told(look), self.looked.emit, key="look")

    def take(self, look: Look, *, accept: bool = False) -> None:
        """Take files in that were looked at, and asked about where that was needed."""

        def work(cancel: CancelToken) -> None:
            if accept:
                self._store().accept(look.id)
            tell = self._bytes_teller(look.id, "import", cancel)(look.size)
            self._importer().take(look, yes=True, cancel=cancel, report=tell)

        self._begin(Doing(look.id, "import", "fetching"), work)

    def cancel(self) -> None:
        """Stop what is being done; what came so far is kept."""
        self._cancel.set()

    def close(self) -> None:
        """Stop and end both threads."""
        self._cancel.set()
        self._asking.set()
        self._long.close()
        self._quick.close()

    def _begin(self, doing: Doing, work: Callable[[CancelToken], Any]) -> None:
        if self.doing is not None:
            return
        self.doing = doing
        self._cancel = cancel = CancelToken()
        self.moved.emit(doing)
        self._long.run(told(lambda: work(cancel)), self._end)

    def _end(self, answer: Any) -> None:
        doing, self.doing = self.doing, None
        if doing is None:
            return
        if isinstance(answer, Cancelled):
            doing, answer = Doing(doing.id, doing.what, "cancelled"), None
        self.ended.emit(doing, answer)
        self.refresh()

    def _plan(self, weights_id: str, answer: Any) -> None:
        if not isinstance(answer, Cancelled):
            self.planned.emit(weights_id, answer)

    def _list(self, answer: Any) -> None:
        if isinstance(answer, KnownError):
            self.planned.emit("", answer)
        else:
            self.listed.emit(*answer)

    def _store(self) -> WeightsStore:
        if self._make_store is not None:
            return self._make_store()
        from outfitswap_desktop.weights.store import default_store

        return default_store()

    def _fetcher(self) -> Fetcher:
        from outfitswap_desktop.weights.fetch import Fetcher
        from outfitswap_desktop.weights.network import read_network

        store = self._store()
        return Fetcher(store, read_network(store.folder))

    def _importer(self) -> Any:
        from outfitswap_desktop.weights.importing import Importer
        from outfitswap_desktop.weights.network import read_network

        store = self._store()
        return Importer(store, read_network(store.folder), check=self._check)

    def _teller(self, weights_id: str, what: str) -> Callable[[Fetching], None]:
        """Tells the page how far it is, ten times a second at most, and at every new stage."""
        pace = _Pace()

        def told(now: Fetching) -> None:
            speed = pace.passed(now.stage, now.done)
            if speed is not None:
                self._move(Doing(weights_id, what, now.stage, now.done, now.total, speed))

        return told

    def _bytes_teller(self, weights_id: str, what: str, cancel: CancelToken) -> Callable[[int], Callable[[int], None]]:
        def of(total: int) -> Callable[[int], None]:
            pace, done = _Pace(), 0

            def told(size: int) -> None:
                nonlocal done
                cancel.check()
                done += size
                speed = pace.passed("checking", done)
                if speed is not None:
                    self._move(Doing(weights_id, what, "checking", done, total, speed))

            return told

        return of

    def _move(self, doing: Doing) -> None:
        if self.doing is not None:
            self.doing = doing
            self.moved.emit(doing)


class _Pace:
    """When to tell again, and how many bytes a second came of late."""

    def __init__(self) -> None:
        self._stage, self._told = "", 0.0
        self._since, self._bytes = time.monotonic(), 0

    def passed(self, stage: str, done: int) -> float | None:
        """Bytes a second in this stage when it is time to tell, else None."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._since, self._bytes = stage, now, done
        elif now - self._told < TELL_SECONDS:
            return None
        self._told = now
        seconds = now - self._since
        return max(0.0, done - self._bytes) / seconds if seconds > 0.5 else 0.0


def _row(store: WeightsStore, weights: Weights) -> WeightsRow:
    archive = weights.archive.size if weights.archive is not None else None
    size = store.size(weights.id)
    return WeightsRow(
        name=weights.title,
        purpose=purpose_of(weights),
        size=size or archive or weights.size or weights.about_bytes or 0,
        licence=weights.licence.name,
        state=store.state(weights.id),
        id=weights.id,
        about=not size and weights.size is None,
        pinned=weights.pinned,
        asks=weights.licence.ask,
        accepted=store.accepted(weights.id),
        commercial=weights.licence.commercial,
        restrictions=weights.licence.restrictions,
        licence_url=weights.licence.url,
        source=weights.repository or weights.source,
        memory=weights.min_vram_gb,
        importable=weights.importable,
        also=", ".join(_also(store, weights)),
    )


def _also(store: WeightsStore, weights: Weights) -> list[str]:
    if weights.optional:
        return []
    lacking = dict.fromkeys(each for engine in weights.engines for each in store.lacking(engine))
    return [store.catalogue.get(each).title for each in lacking if each != weights.id]
