"""One file over the network: resumed where it stopped, hashed as it comes, from the next source when one fails.

A file gets its name only when its hash is right. Until then it is called ``<name>.partial``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.hashing import CHUNK, git_blob_of
from outfitswap_desktop.weights.listing import Wanted
from outfitswap_desktop.weights.network import Cancel, host_of, unreachable

if TYPE_CHECKING:
    import httpx

PARTIAL: Final = ".partial"
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before another round through the sources; a round that brought bytes starts the count anew."""
LOOK_SECONDS: Final = 0.05
_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})


class _Failed(Exception):
    """One source failed for now; `final` when asking it again is of no use."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class _Beyond(_Failed):
    """What is here cannot be the beginning of what this source has."""


@dataclass
class _Sources:
    """The addresses of one file, what they said, and which are given up."""

    open: list[str]
    said: dict[str, str] = field(default_factory=dict)
    wrong: int = 0

    def give_up(self, address: str, why: str) -> None:
        self.open.remove(address)
        self.said[address] = why


class Transfer:
    """Fetches files through one client. `add` gets the bytes that came (negative when they were thrown away)."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        cancel: Cancel,
        add: Callable[[int], object],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._client = client
        self._cancel = cancel
        self._add = add
        self._pauses = pauses
        self._streams: list[Any] = []

    def get(self, file: Wanted, addresses: tuple[str, ...], target: Path) -> tuple[int, str]:
        """Fetch one file to `target`; returns its bytes and SHA-256.

        Raises Cancelled, or NotAvailable: "no_network", "wrong_hash", "disk_full", "weights_unwritable".
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + PARTIAL)
        sources = _Sources(list(dict.fromkeys(addresses)))
        pauses = iter(self._pauses)
        with self._watched():
            while sources.open:
                before = _size(partial)
                found = self._round(file, sources, partial)
                if found is not None:
                    partial.replace(target)
                    return found
                if _size(partial) > before:
                    pauses = iter(self._pauses)
                if sources.open and not self._rest(next(pauses, None)):
                    break
        raise self._given_up(file, sources)

    def _round(self, file: Wanted, sources: _Sources, partial: Path) -> tuple[int, str] | None:
        """Try each source once; the file's size and hash when one of them brought it."""
        for address in list(sources.open):
            self._cancel.check()
            started = _size(partial)
            try:
                digest = self._bring(file, address, partial)
            except _Failed as problem:
                self._cancel.check()  # a connection that we cut ourselves
                sources.said[address] = str(problem)
                if problem.final:
                    sources.give_up(address, str(problem))
                continue
            if _right(file, partial, digest):
                return _size(partial), digest
            sources.wrong += 1
            self._drop(partial)
            if started == 0:  # all of it came from here
                sources.give_up(address, "what it sent has another hash")
        return None

    def _bring(self, file: Wanted, address: str, partial: Path) -> str:
        """Stream what is missing into the partial file; returns the SHA-256 of all of it."""
        import httpx

        digest = hashlib.sha256()
        try:
            with _writing(partial) as target:
                offset = _feed(target, digest.update)
                if file.size is not None and offset > file.size:
                    offset = self._restart(target, offset)
                    digest = hashlib.sha256()
                if file.size is not None and offset == file.size:
                    return digest.hexdigest()
                headers = {"Range": f"bytes={offset}-"} if offset else {}
                extensions = {"trace": self._trace}
                with self._client.stream("GET", address, headers=headers, extensions=extensions) as response:
                    start = _start(response, offset)
                    if start != offset:
                        offset, digest = self._restart(target, offset), hashlib.sha256()
                    for piece in _pieces(response):
                        self._cancel.check()
                        offset += len(piece)
                        if file.size is not None and offset > file.size:
                            raise _Beyond("it sends more than the file has", final=True)
                        target.write(piece)
                        digest.update(piece)
                        self._add(len(piece))
                if file.size is not None and offset < file.size:
                    raise _Failed(f"it stopped after {offset} of {file.size} bytes")
                target.flush()
                os.fsync(target.fileno())
        except httpx.HTTPError as problem:
            raise _Failed(_words(problem)) from problem
        except httpx.InvalidURL as problem:
            raise _Failed("its address is not one", final=True) from problem
        except OSError as problem:
            raise unwritable(partial.parent, problem) from problem
        except _Beyond:
            self._drop(partial)
            raise
        return digest.hexdigest()

    def _restart(self, target: Any, offset: int) -> int:
        target.seek(0)
        target.truncate()
        self._add(-offset)
        return 0

    def _drop(self, partial: Path) -> None:
        self._add(-_size(partial))
        partial.unlink(missing_ok=True)

    def _rest(self, seconds: float | None) -> bool:
        """Wait before the next round; False when it was the last one."""
        if seconds is None:
            return False
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._cancel.check()
            time.sleep(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))
        return True

    def _given_up(self, file: Wanted, sources: _Sources) -> NotAvailable:
        address, why = next(reversed(sources.said.items()))
        if sources.wrong:
            return NotAvailable(
                f"{file.path} came with a wrong hash from {host_of(address)}, and was thrown away.",
                reason="wrong_hash",
                hint="Try again later or with another mirror; nothing of it is used.",
            )
        return unreachable(host_of(address), why)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Remember the connections, so that a cancel can cut them."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._streams.append(info.get("return_value"))

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Within, a cancel cuts the connections, so that no read waits for a server that says nothing."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), name="weights-cancel", daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(LOOK_SECONDS):
            if self._cancel.is_set():
                for stream in list(self._streams):
                    with contextlib.suppress(OSError, AttributeError):
                        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def unwritable(folder: Path, problem: OSError) -> NotAvailable:
    """The sentence for a disk that is full or does not take a file."""
    if problem.errno in _FULL:
        return NotAvailable(
            f"The disk of {folder} is full.",
            reason="disk_full",
            hint="Free some space and start again: what came so far is kept.",
        )
    return NotAvailable(
        f"{folder} cannot be written: {problem.strerror or problem}.",
        reason="weights_unwritable",
        hint="Check the disk and the rights of the program's own folder.",
    )


def _writing(partial: Path) -> Any:
    return partial.open("r+b" if partial.exists() else "w+b")


def _feed(source: Any, take: Callable[[bytes], object]) -> int:
    """Hash what is there already and stand at its end; returns how much it is."""
    while piece := source.read(CHUNK):
        take(piece)
    return int(source.tell())


def _start(response: httpx.Response, offset: int) -> int:
    """Where the body begins in the file. Raises _Failed for what is no answer to the question."""
    status = response.status_code
    if status == 200:
        return 0
    if status == 206 and offset and not _encoded(response):
        said = response.headers.get("Content-Range", "")
        if said.startswith(f"bytes {offset}-"):
            return offset
        raise _Failed("it answered with another part of the file", final=True)
    if status == 416:
        raise _Beyond("it has less of the file than is here already")
    final = 400 <= status < 500 and status not in (408, 425, 429)
    raise _Failed(f"it answered with status {status}", final=final)


def _encoded(response: httpx.Response) -> bool:
    return str(response.headers.get("Content-Encoding", "identity")) != "identity"


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    return response.iter_bytes() if _encoded(response) else response.iter_raw()


def _right(file: Wanted, partial: Path, digest: str) -> bool:
    if file.sha256 is not None:
        return digest == file.sha256
    return file.blob is None or git_blob_of(partial) == file.blob


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _words(problem: Exception) -> str:
    import httpx

    if isinstance(problem, httpx.TimeoutException):
        return "it did not answer in time"
    if isinstance(problem, httpx.ProxyError):
        return f"the proxy refused: {problem}".rstrip(".: ")
    if isinstance(problem, httpx.ConnectError):
        return "no connection"
    if isinstance(problem, httpx.TooManyRedirects):
        return "it sends from one address to the next"
    return "the connection broke off"
