"""The keys that sign leases and access tokens: made, put to use, retired, revoked, and published in a root-signed list.

The list itself is the record: a key's purpose and state are what the newest list of the folder says.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.licensing.wire.blobs import (
    BlobError,
    decode,
    encode,
    fingerprint,
    new_key,
    public_key,
    public_of,
)
from outfitswap_desktop.licensing.wire.keylist import (
    MOST_KEYS,
    KeyList,
    ListedKey,
    Purpose,
    State,
    read_key_list,
    sign_key_list,
)
from outfitswap_desktop.server.keys.folder import (
    LIST,
    ROOT,
    ROOT_PUBLIC,
    alone,
    read_secret,
    secret_path,
    write_secret,
    write_whole,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DAY_MS: Final = 86_400_000
OVERLAP_MS: Final[Mapping[str, int]] = {"lease": 62 * DAY_MS, "token": DAY_MS}
"""How long what a retired key has signed is believed: the longest lease with its grace, and more than a token's life."""
REMEMBER_MS: Final = 400 * DAY_MS
"""How long a revoked key stays in the list; an unlisted one is not believed either."""


class KeysUnusable(KnownError):
    """The keys cannot be read, or a change needs the root key, which is not here."""


@dataclass(frozen=True, slots=True)
class _Open:
    """What one reading of the folder found."""

    stamp: tuple[int, int, int]
    keys: KeyList
    blob: str
    private: Mapping[str, Ed25519PrivateKey]


class SigningKeys:
    """The keys of a folder; thread-safe. Changes by another process are seen at the next call.

    An empty folder gets a root key, and a key in use and a next one for each purpose. `root.key` may be taken away after
    that and brought back for changes; everything else works without it.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._clock = clock
        self._guard = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / LIST).exists():
            self._found()
        self._root_public = self._read_root()
        self._open = self._read()

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def root_public(self) -> bytes:
        """The root's public key, 32 bytes: programs are built with it or pin it at their first activation."""
        return self._root_public

    def active(self, purpose: Purpose) -> tuple[str, Ed25519PrivateKey]:
        """The key to sign with now, and its kid."""
        now = self._current()
        kid = _active(now.keys.keys, purpose).kid
        return kid, now.private[kid]

    def verifiers(self, purpose: Purpose) -> Mapping[str, Ed25519PublicKey]:
        """All keys whose signatures count now, by kid: active, next, and retired ones until their end."""
        at = self._clock()
        return {
            kid: public_key(key.public)
            for kid, key in self._current().keys.keys.items()
            if key.purpose == purpose and key.state != "revoked" and (key.not_after is None or at <= key.not_after)
        }

    def key_list(self) -> KeyList:
        """The newest list."""
        return self._current().keys

    def published(self) -> str:
        """The newest list, signed by the root."""
        return self._current().blob

    # --- changing ---------------------------------------------------------------------------------------------------

    def new(self, purpose: Purpose) -> str:
        """Make and publish a "next" key; gives its kid. Wait with `activate` until programs have fetched the list."""
        with self._changing() as change:
            return change.make(purpose, "next")

    def activate(self, kid: str) -> None:
        """Sign with a "next" key from now on; the one in use until now is retired."""
        with self._changing() as change:
            key = change.get(kid)
            if key.state != "next":
                raise KeysUnusable(f"The key {kid} is {key.state}, not next.", reason="key_not_next")
            change.activate(key)

    def retire(self, kid: str) -> None:
        """Sign no more with a key; what it has signed counts until its end. In use, it is followed by the next one."""
        with self._changing() as change:
            change.end(change.get(kid), "retired")

    def revoke(self, kid: str) -> None:
        """Have nothing count any more that a key has signed: its private half is known to others. It is deleted."""
        with self._changing() as change:
            change.end(change.get(kid), "revoked")

    def _changing(self) -> _Change:
        return _Change(self)

    def _current(self) -> _Open:
        opened = self._open
        if _stamp(self._folder) == opened.stamp:
            return opened
        with self._guard:
            self._open = self._read()
            return self._open

    def _read_root(self) -> bytes:
        try:
            return decode((self._folder / ROOT_PUBLIC).read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"The public root key {self._folder / ROOT_PUBLIC} cannot be read.",
                reason="keys_unreadable",
                hint="Bring the folder of the keys back from the backup.",
            ) from error

    def _read(self) -> _Open:
        stamp = _stamp(self._folder)
        try:
            return self._read_once()
        except KeysUnusable:
            # Another process may have put a newer list in place and taken an ended key away in between.
            if _stamp(self._folder) == stamp:
                raise
            return self._read_once()

    def _read_once(self) -> _Open:
        try:
            stamp = _stamp(self._folder)
            blob = (self._folder / LIST).read_text(encoding="ascii").strip()
            keys = read_key_list(blob, self._root_public, at_least_version=1)
            private = {
                key.kid: read_secret(secret_path(self._folder, key.kid))
                for key in keys.keys.values()
                if key.state in ("active", "next")
            }
            for kid, secret in private.items():
                if public_of(secret) != keys.keys[kid].public:
                    raise ValueError(f"{kid}.key is not the key in the list")
            for purpose in get_args(Purpose):
                _active(keys.keys, purpose)
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"The signing keys in {self._folder} cannot be used: {error}",
                reason="keys_unreadable",
                hint="Bring the folder of the keys back from the backup.",
            ) from error
        return _Open(stamp, keys, blob, private)

    def _found(self) -> None:
        """Make root key and first keys, unless another process was quicker."""
        with alone(self._folder):
            if (self._folder / LIST).exists():
                return
            if (self._folder / ROOT_PUBLIC).exists() and not (self._folder / ROOT).exists():
                raise KeysUnusable(
                    f"{self._folder} has lost its list of keys.",
                    reason="keys_unreadable",
                    hint="Bring the folder of the keys back from the backup.",
                )
            if not (self._folder / ROOT).exists():
                write_secret(self._folder / ROOT, new_key())
            root = read_secret(self._folder / ROOT)
            write_whole(self._folder / ROOT_PUBLIC, f"{encode(public_of(root))}\n".encode(), secret=False)
            keys: dict[str, ListedKey] = {}
            states: tuple[State, ...] = ("active", "next")
            for purpose in get_args(Purpose):
                for state in states:
                    _make(self._folder, keys, purpose, state=state, now=self._clock())
            _publish(self._folder, keys, root, version=_version(0, self._clock()), now=self._clock())


class _Change:
    """One change of the list: read under the folder's lock, published at the end of the block unless it raised."""

    def __init__(self, owner: SigningKeys) -> None:
        self._owner = owner
        self._folder = owner._folder
        self._lock = alone(owner._folder)
        self._delete: list[str] = []

    def __enter__(self) -> _Change:
        self._lock.__enter__()
        try:
            self._root = self._read_root()
            self._now = self._owner._clock()
            self._before = self._owner._read().keys
            self._keys = dict(self._before.keys)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                version = _version(self._before.version, self._now)
                _publish(self._folder, self._forget(), self._root, version=version, now=self._now)
                for kid in self._delete:
                    secret_path(self._folder, kid).unlink(missing_ok=True)
        finally:
            self._lock.__exit__(None, None, None)

    def get(self, kid: str) -> ListedKey:
        """A key of the list; raises KeysUnusable."""
        if kid not in self._keys:
            raise KeysUnusable(f"There is no key {kid}.", reason="key_unknown", hint="List the keys first.")
        return self._keys[kid]

    def make(self, purpose: Purpose, state: State) -> str:
        """A new key."""
        return _make(self._folder, self._keys, purpose, state=state, now=self._now)

    def activate(self, key: ListedKey) -> None:
        """Put a key to use in place of the one that is."""
        before = _active(self._keys, key.purpose)
        self._keys[before.kid] = self._retired(before)
        self._delete.append(before.kid)
        self._keys[key.kid] = replace(key, state="active")
        if not any(one.purpose == key.purpose and one.state == "next" for one in self._keys.values()):
            self.make(key.purpose, "next")

    def end(self, key: ListedKey, state: State) -> None:
        """Retire or revoke a key; when it was the one in use, the next one follows, made on the spot if there is none."""
        if key.state in ("revoked", state):
            raise KeysUnusable(f"The key {key.kid} is {key.state} already.", reason="key_ended")
        if key.state == "active":
            following = [one for one in self._keys.values() if one.purpose == key.purpose and one.state == "next"]
            kid = min(following, key=lambda one: one.created_at).kid if following else self.make(key.purpose, "next")
            self._keys[kid] = replace(self._keys[kid], state="active")
            self.make(key.purpose, "next")
        self._keys[key.kid] = (
            self._retired(key) if state == "retired" else replace(key, state=state, not_after=self._now)
        )
        self._delete.append(key.kid)

    def _retired(self, key: ListedKey) -> ListedKey:
        return replace(key, state="retired", not_after=self._now + OVERLAP_MS[key.purpose])

    def _forget(self) -> dict[str, ListedKey]:
        """The keys without those that have ended long ago."""
        kept = {"retired": 0, "revoked": REMEMBER_MS}
        return {
            kid: key
            for kid, key in self._keys.items()
            if key.state not in kept or (key.not_after or 0) + kept[key.state] >= self._now
        }

    def _read_root(self) -> Ed25519PrivateKey:
        path = self._folder / ROOT
        try:
            root = read_secret(path)
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"Changing keys needs the root key, which is not at {path}.",
                reason="root_missing",
                hint="Put it there, change the keys, and take it away again.",
            ) from error
        if public_of(root) != self._owner.root_public:
            raise KeysUnusable(f"{path} is the root key of another server.", reason="root_wrong")
        return root


def root_shown(keys: SigningKeys) -> str:
    """The root key's fingerprint as people compare it."""
    return fingerprint(keys.root_public)


def _make(folder: Path, keys: dict[str, ListedKey], purpose: Purpose, *, state: State, now: int) -> str:
    if len(keys) >= MOST_KEYS:
        raise KeysUnusable(
            f"A list has at most {MOST_KEYS} keys.", reason="keys_full", hint="Wait until retired keys have ended."
        )
    secret = new_key()
    public = public_of(secret)
    kid = f"{purpose}-{hashlib.sha256(public).hexdigest()[:16]}"
    write_secret(secret_path(folder, kid), secret)
    keys[kid] = ListedKey(kid, purpose, public, state, now)
    return kid


def _active(keys: Mapping[str, ListedKey], purpose: Purpose) -> ListedKey:
    active = [key for key in keys.values() if key.purpose == purpose and key.state == "active"]
    if len(active) != 1:
        raise BlobError("malformed", f"the list names {len(active)} keys in use for {purpose}")
    return active[0]


def _publish(folder: Path, keys: Mapping[str, ListedKey], root: Ed25519PrivateKey, *, version: int, now: int) -> None:
    blob = sign_key_list(keys, root, version=version, issued_at=now)
    write_whole(folder / LIST, f"{blob}\n".encode(), secret=False)


def _version(before: int, now: int) -> int:
    """Higher than before, and no lower than the clock's seconds: so a folder from a backup never publishes a lower one."""
    return max(before + 1, now // 1000)


def _stamp(folder: Path) -> tuple[int, int, int]:
    try:
        state = (folder / LIST).stat()
    except OSError:
        return 0, 0, 0
    return state.st_mtime_ns, state.st_ino, state.st_size
