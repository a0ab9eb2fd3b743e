"""What marks a file carries, and what each of them is worth: `outfitswap verify FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outfitswap_desktop.core.container import BadPictureError, check_photo_size, refusal
from outfitswap_desktop.core.headers import open_container
from outfitswap_desktop.core.photo import _bytes_of, read_photo
from outfitswap_desktop.safety.marks import manifest, xmp
from outfitswap_desktop.safety.marks.certificate import Certificate


def verify(source: Path | bytes, *, certificate: Certificate | None = None) -> dict[str, dict[str, Any]]:
    """All marks of a JPEG, PNG or WebP, as a JSON document of three parts, each with `present` and `valid`.

    "xmp": digital_source_type, result. "c2pa": trusted (never true: no list of trusted makers is shipped), this_install (None
    without `certificate`, this install's own), state, reason, source_type, generator, result, ingredients. "mark": payload
    (hexadecimal). Where XMP or mark say another thing than the manifest, or the mark another than XMP, they are not valid.
    Raises PhotoUnreadable for what is no picture within the limits of photos; opens no connection.
    """
    try:
        file = _bytes_of(source)
        container = open_container(file, check_photo_size)
    except BadPictureError as bad:
        raise refusal(bad, "picture") from bad
    packet, format = container.xmp, container.format
    del container
    from outfitswap_desktop.safety.marks import invisible

    signed = manifest.read(file, format, certificate=certificate)
    words = xmp.read(packet)
    payload = invisible.read(read_photo(file, role="picture").pixels)
    found = None if payload is None else payload.hex()
    claimed = {word for word in (signed.mark, words.mark) if word is not None}
    return {
        "xmp": {
            "present": words.present,
            "valid": words.valid and _agree(words.result, signed.result) and _agree(words.mark, signed.mark),
            "digital_source_type": words.digital_source_type,
            "result": words.result,
        },
        "c2pa": {
            "present": signed.present,
            "valid": signed.valid,
            "trusted": signed.trusted,
            "this_install": signed.this_install,
            "state": signed.state,
            "reason": signed.reason,
            "source_type": signed.source_type,
            "generator": signed.generator,
            "result": signed.result,
            "ingredients": [part.as_json() for part in signed.ingredients],
        },
        "mark": {"present": found is not None, "valid": found is not None and claimed <= {found}, "payload": found},
    }


def _agree(one: str | None, other: str | None) -> bool:
    """Whether two say the same, or one of them nothing."""
    return one is None or other is None or one == other
