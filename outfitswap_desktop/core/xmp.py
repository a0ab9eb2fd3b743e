"""Cuts out of an XMP packet what must not travel on: position, embedded previews, orientation, pointers to lost parts.

The packet is edited as text at the places that an XML parser (expat) names, so everything else stays byte for byte.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

MAX_CARRIED_BYTES: Final = 60_000
"""What is carried must fit one JPEG segment (65,533 bytes) with its label."""

_MAX_DEPTH = 100
_START_TAG = re.compile(rb"<[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")
_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])\b')

_EXIF = "http://ns.adobe.com/exif/1.0/"
_DOOMED = frozenset(
    {
        ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
        ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
        ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
        ("http://ns.adobe.com/photoshop/1.0/", "EmbeddedXMPDigest"),
    }
)
_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_DOOMED_SPACES = (
    "http://ns.adobe.com/xap/1.0/g/img/",
    _GAIN_MAP,
    "http://ns.google.com/photos/",
)
"""Previews; gain maps, motion and depth, whose pictures lie in the part of the file that is left out."""


def orientation(packet: bytes) -> int | None:
    """The orientation 1..8 that an XMP packet states; it counts only where EXIF says none (Pillow's and macOS's reading)."""
    found = _ORIENTATION.search(packet)
    return int(found[1]) if found else None


def speaks_of_gain_map(packet: bytes) -> bool:
    """Whether the file has a second picture that brightens the first on HDR screens (Adobe's gain map, Ultra HDR)."""
    return _GAIN_MAP.encode() in packet


def cleaned(packet: bytes) -> bytes | None:
    """The packet fit to travel on; None when it is damaged, not UTF-8, larger than 60,000 bytes or not plain XML."""
    packet = packet.rstrip(b"\0")
    if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        return None  # entities and document types have no place in XMP, and are how XML bombs are built
    try:
        packet.decode("utf-8")
        cuts = _Cuts(packet).found()
    except (ValueError, expat.ExpatError):
        return None
    kept, position = [], 0
    for start, end in cuts:
        if start >= position:
            kept.append(packet[position:start])
        position = max(position, end)
    result = b"".join(kept) + packet[position:]
    return result if len(result) <= MAX_CARRIED_BYTES else None


class _Cuts:
    """One parse that notes the byte ranges of doomed elements and attributes."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.scopes: list[dict[str, str]] = [{}]
        self.doomed_since: list[int | None] = []
        self.cuts: list[tuple[int, int]] = []

    def found(self) -> list[tuple[int, int]]:
        """The ranges in order of their start; raises ExpatError for damage, ValueError for too deep nesting."""
        self.parser.Parse(self.packet, True)
        return sorted(self.cuts)

    def _doomed(self, name: str) -> bool:
        prefix, _, local = name.rpartition(":")
        space = self.scopes[-1].get(prefix, "")
        return (
            (space, local) in _DOOMED
            or (space == _EXIF and local.startswith("GPS"))
            or space.startswith(_DOOMED_SPACES)
        )

    def _start(self, name: str, attributes: list[str]) -> None:
        if len(self.scopes) > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        declared = {key.partition(":")[2]: value for key, value in pairs if key == "xmlns" or key.startswith("xmlns:")}
        self.scopes.append({**self.scopes[-1], **declared} if declared else self.scopes[-1])
        at = self.parser.CurrentByteIndex
        if self._doomed(name):
            self.doomed_since.append(at)
            return
        self.doomed_since.append(None)
        doomed = [key for key, _ in pairs if ":" in key and not key.startswith("xmlns") and self._doomed(key)]
        tag = _START_TAG.match(self.packet, at) if doomed else None
        for key in doomed if tag else ():
            attribute = re.compile(rb"\s+" + re.escape(key.encode()) + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
            assert tag is not None
            hit = attribute.search(self.packet, tag.start(), tag.end())
            if hit is None:
                raise ValueError("an attribute that must go was not found again")
            self.cuts.append(hit.span())

    def _end(self, name: str) -> None:
        del name
        self.scopes.pop()
        start = self.doomed_since.pop()
        if start is None:
            return
        tag = _START_TAG.match(self.packet, start)
        if tag is None:
            raise ValueError("a tag that must go was not found again")
        empty = tag.group().endswith(b"/>")
        end = tag.end() if empty else self.packet.index(b">", self.parser.CurrentByteIndex) + 1
        self.cuts.append((start, end))
