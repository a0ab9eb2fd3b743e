"""The chain of the audit log: how an entry and a head are bound, row by row, so that every part can be tested by itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outfitswap_desktop.safety.records.keys import Secret

NOTHING: Final = bytes(32)
"""What comes before the first entry."""

ROW: Final = "seq, segment, at, body, hash, mac, ref, result, pixels, mark"
HEAD: Final = "segment, public, first, seq, hash, pruned, pruned_hash, signature"


def entry_hash(prev: bytes, seq: int, body: bytes) -> bytes:
    """SHA-256 over the hash of the entry before (32 bytes), the number (8 bytes, big-endian) and the canonical body."""
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + body).digest()


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as stored. The columns behind `mac` are there to be looked up; the seal holds them to the body."""

    seq: int
    segment: int
    at: int
    body: bytes
    hash: bytes
    mac: bytes
    ref: bytes | None
    result: bytes | None
    pixels: bytes | None
    mark: bytes | None

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> Row:
        """A row of `SELECT {ROW}`."""
        return cls(*row)

    def sealed(self, secret: Secret) -> Row:
        """The same with its seal."""
        return replace(self, mac=secret.mac(b"entry", self._sealed_text()))

    def is_sealed_by(self, secret: Secret) -> bool:
        """Whether the seal is that of `secret` over all of the row."""
        return same(self.mac, secret.mac(b"entry", self._sealed_text()))

    def follows(self, prev: bytes) -> bool:
        """Whether the hash is the right one behind `prev`."""
        return len(prev) == len(NOTHING) and self.hash == entry_hash(prev, self.seq, self.body)

    def values(self) -> tuple[Any, ...]:
        """In the order of ROW."""
        return (
            *(self.seq, self.segment, self.at, self.body, self.hash, self.mac),
            *(self.ref, self.result, self.pixels, self.mark),
        )

    def _sealed_text(self) -> bytes:
        """All that the seal covers, unambiguous: three numbers, then each column with its length, or "-" for none."""
        columns = (self.hash, self.ref, self.result, self.pixels, self.mark)
        texts = [b"-" if value is None else b"%d:%b" % (len(value), value) for value in columns]
        return b"%d %d %d " % (self.seq, self.segment, self.at) + b",".join(texts)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of one segment of the chain, signed: whose key, its first and last number, the last hash.

    `pruned` is the number of the last entry that was taken away after its time, `pruned_hash` its hash; they count in the
    newest segment.
    """

    segment: int
    public: bytes
    first: int
    seq: int
    hash: bytes
    pruned: int
    pruned_hash: bytes
    signature: bytes = b""

    def signed(self, secret: Secret) -> Head:
        """The same with the signature of `secret`, which must be its key."""
        return replace(self, signature=secret.audit_key.sign(self._message()))

    def is_signed(self) -> bool:
        """Whether the signature is that of the public key that the head names."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(self.signature, self._message())
        except (InvalidSignature, ValueError):
            return False
        return True

    def values(self) -> tuple[Any, ...]:
        """In the order of HEAD."""
        return (
            *(self.segment, self.public, self.first, self.seq, self.hash),
            *(self.pruned, self.pruned_hash, self.signature),
        )

    def _message(self) -> bytes:
        numbers = b"".join(_number(value) for value in (self.segment, self.first, self.seq, self.pruned))
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in (self.public, self.hash, self.pruned_hash))
        return b"outfitswap audit head 1\0" + numbers + framed


def same(a: bytes, b: bytes) -> bool:
    """Compare without telling how far two texts agree."""
    import hmac

    return hmac.compare_digest(a, b)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)
