"""The bodies of the API, version 1. Times are milliseconds since 1970 UTC, credits are whole numbers, ids are ULIDs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Credits = Annotated[int, Field(ge=0, le=1_000_000)]
Total = Annotated[int, Field(ge=0, le=2**53)]
"""Credits of an account, which may have been bought in many parts."""
SomeCredits = Annotated[int, Field(ge=1, le=1_000_000)]
Millis = Annotated[int, Field(ge=0, le=2**53)]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Blob = Annotated[
    str, StringConstraints(min_length=8, max_length=8192, pattern=r"^[A-Z0-9]{4,5}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")
]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Password = Annotated[str, StringConstraints(min_length=10, max_length=200)]


class Message(BaseModel):
    """A body of the API: frozen, and unknown members are refused on the way in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object) -> object:
        """No database of ours keeps the character NUL in a text."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("holds the character NUL")
        return value


class Answer(BaseModel):
    """A body that the server sends: frozen; members that an older program does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(Answer):
    """An error (RFC 9457). `code` is for programs, `detail` one sentence for the user with the way out."""

    type: str
    title: str
    status: int
    detail: str
    code: str


# --- accounts -------------------------------------------------------------------------------------------------------


class Register(Message):
    """Make an account. The answer is the same whether the address is known or not."""

    email: EmailStr
    password: Password
    display_name: Label | None = None


class Token(Message):
    """A one-time token from an e-mail."""

    token: Annotated[str, StringConstraints(min_length=20, max_length=200)]


class Forgot(Message):
    """Ask for an e-mail to set a new password."""

    email: EmailStr


class Reset(Token):
    """Set a new password with the token of that e-mail; all sessions end."""

    password: Password


class Login(Message):
    """Sign in with e-mail and password; `device` is a blob of wire.device when a program signs in."""

    email: EmailStr
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    device: Blob | None = None


class Redeem(Message):
    """Sign in with, or add to the signed-in account, a licence key."""

    key: Annotated[str, StringConstraints(min_length=10, max_length=60)]
    device: Blob


class Tokens(Answer):
    """A signed-in session. `refresh_token` is opaque (43 characters) and works once."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    account_id: Ulid
    device_id: Ulid | None = None


class DeviceCode(Answer):
    """RFC 8628's answer."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class Me(Answer):
    """Who is signed in. `email` is None for an account made from a licence key alone."""

    account_id: Ulid
    email: str | None
    email_verified: bool
    display_name: str | None
    state: Literal["active", "frozen", "closed"]
    created_at: Millis
    device_id: Ulid | None = None


class Device(Answer):
    """A machine that has signed in."""

    id: Ulid
    label: str
    os: str
    first_seen: Millis
    last_seen: Millis
    state: Literal["active", "revoked", "suspect"]
    this: bool


class Devices(Answer):
    """All machines of an account."""

    devices: tuple[Device, ...]
    limit: int


class AddDevice(Message):
    """A device's proof (wire.device, purpose "sign-in") for the session that sends it."""

    device: Blob


class Rename(Message):
    """A new label for a device."""

    label: Label


class Session(Answer):
    """A signed-in session: a browser or a device."""

    id: Ulid
    device_id: Ulid | None
    kind: Literal["program", "site"]
    created_at: Millis
    last_used: Millis
    expires_at: Millis
    agent: str
    this: bool


class Sessions(Answer):
    """All open sessions of an account."""

    sessions: tuple[Session, ...]


class Done(Answer):
    """It is done, or will be where that can be said; `message` is one sentence for the user."""

    message: str


class Closing(Answer):
    """The account is closed and will be erased at `closes_at`; until then its owner can undo that on the site."""

    closes_at: Millis


class PublicKey(Answer):
    """A key that signs access tokens (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["Ed25519"]


class PublicKeys(Answer):
    """All keys whose access tokens count now (RFC 7517's JWK set)."""

    keys: tuple[PublicKey, ...]


# --- credits --------------------------------------------------------------------------------------------------------


class Expiring(Answer):
    """Credits that end by themselves at a time."""

    credits: Total
    at: Millis


class Lease(Answer):
    """An open lease: credits that one device took along."""

    id: Ulid
    device_id: Ulid
    device_label: str
    credits: SomeCredits
    spent: Credits
    not_after: Millis
    grace_until: Millis
    state: Literal["open", "closed", "expired", "frozen"]


class Balance(Answer):
    """An account's credits. `available` = paid + promo; `held` is reserved by running jobs; `leased` is with devices."""

    available: Total
    paid: Total
    promo: Total
    held: Total
    leased: Total
    debt: Total
    expiring: tuple[Expiring, ...] = ()
    leases: tuple[Lease, ...] = ()
    at: Millis


class HistoryEntry(Answer):
    """One posting of an account: `credits` is the change of what is available.

    `used` is what a committed job was charged, `order_id` the order of a purchase; None for everything else.
    """

    id: Ulid
    at: Millis
    kind: str
    credits: int
    ref: str
    memo: str
    job_id: str | None = None
    used: Total | None = None
    order_id: Ulid | None = None


class History(Answer):
    """A page of postings, newest first; `next` is the cursor of the page after, None at the end."""

    entries: tuple[HistoryEntry, ...]
    next: str | None


class Prices(Answer):
    """Credits for one image by engine, set by the server."""

    version: int
    prices: dict[str, Credits]


class Reserve(Message):
    """Hold credits for a job. `id` is made and kept by the client before it sends."""

    id: Ulid
    credits: SomeCredits
    job_id: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    engine: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    images: Annotated[int, Field(ge=1, le=50)] = 1
    ttl_seconds: Annotated[int, Field(ge=60, le=86_400)] = 7_200


class Commit(Message):
    """Settle a reservation: `spent` credits are used, the rest returns."""

    spent: Credits


class Void(Message):
    """Give a reservation back whole."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Extend(Message):
    """Let a reservation live `ttl_seconds` longer from now."""

    ttl_seconds: Annotated[int, Field(ge=60, le=86_400)] = 7_200


class Reservation(Answer):
    """A reservation as it stands."""

    id: Ulid
    state: Literal["held", "committed", "voided", "expired"]
    credits: SomeCredits
    spent: Credits
    expires_at: Millis
    available: Total
    """What is left to spend after this."""


# --- leases ---------------------------------------------------------------------------------------------------------


class TakeAlong(Message):
    """Move credits into a lease of this device; `id` is made by the client."""

    id: Ulid
    credits: SomeCredits
    days: Annotated[int, Field(ge=1, le=30)] = 7
    proof: Blob
    """A wire.device proof for the purpose "lease", by this device's key."""


class LeaseGrant(Answer):
    """A signed lease (wire.lease)."""

    lease: Blob
    summary: Lease


class Reconcile(Message):
    """Receipts (wire.receipts) in order of their numbers; `proof` as in TakeAlong, for the purpose "reconcile"."""

    receipts: Annotated[tuple[Blob, ...], Field(max_length=500)] = ()
    proof: Blob


class Reconciled(Answer):
    """What the server made of the receipts. `seq` and `head` are the newest ones it has."""

    accepted: int
    duplicate: int
    late: int
    forked: bool
    state: Literal["open", "closed", "expired", "frozen"]
    spent: Credits
    left: Credits
    seq: int
    head: Hex32
    reason: str = ""
    """Why not everything went through: "forked", "broken" (the chain), "missing" (send again from `seq` + 1), and where a lease
    was to be closed "holds_open" or "frozen"."""


class Leases(Answer):
    """The leases of an account, newest first."""

    leases: tuple[Lease, ...]


class OfflineFile(Message):
    """The whole text of a .osreq or .osrcp file (wire.offline)."""

    file: Annotated[str, StringConstraints(min_length=8, max_length=4 * 1024 * 1024)]


class OfflineAnswer(Answer):
    """The answer to a request: the text of a .oslic file and the lease in it."""

    file: str
    summary: Lease


class SigningKeyList(Answer):
    """The list of signing keys (wire.keylist), and the public root key in base64url, to be pinned at the first activation."""

    list: Blob
    root: str


# --- buying ---------------------------------------------------------------------------------------------------------


class Pack(Answer):
    """Credits for sale. `amount_minor` is in the currency's smallest unit, without tax where tax is added at check-out."""

    id: str
    title: str
    credits: SomeCredits
    amount_minor: int
    currency: str


class Packs(Answer):
    """What can be bought; empty when the shop is shut."""

    packs: tuple[Pack, ...]


class Buy(Message):
    """Start a purchase; `id` is made by the client."""

    id: Ulid
    pack_id: Annotated[str, StringConstraints(min_length=1, max_length=60)]


class Order(Answer):
    """A purchase. `checkout_url` is the page to pay on, while `state` is "open"."""

    id: Ulid
    pack_id: str
    credits: SomeCredits
    amount_minor: int
    currency: str
    state: Literal["new", "open", "paid", "expired", "failed", "refunded", "disputed", "review"]
    checkout_url: str | None
    created_at: Millis
