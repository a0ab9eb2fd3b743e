"""The mark in XMP: IPTC's DigitalSourceType and the result's id, set in a packet that otherwise stays byte for byte.

The packet is edited as text at the places that an XML parser (expat) names. Only what stands at the top of the packet's one
rdf:RDF is the picture's own; a DigitalSourceType deeper down speaks of something else and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE: Final = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture of which parts were made by a trained model."""
OWN: Final = "https://outfitswap.invalid/ns/1.0/"
"""Our namespace: a name, no address (RFC 2606 keeps .invalid from ever being one)."""
MAX_BYTES: Final = 65_000
"""What core.encode takes, and fits one JPEG segment."""

_MAX_READ: Final = 1 << 20
_MAX_DEPTH: Final = 100
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPE: Final = (_IPTC_EXT, "DigitalSourceType")
_RESULT: Final = (OWN, "Result")
_MARK: Final = (OWN, "Mark")
_PROVENANCE: Final = ("http://purl.org/dc/terms/", "provenance")
"""The address of the source's manifest elsewhere: it would not fit the result."""
_KEPT: Final = {_SOURCE_TYPE, _RESULT, _MARK}

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TYPE: Final = re.compile(re.escape(SOURCE_TYPES) + r"[A-Za-z]{1,64}")
_START_TAG: Final = re.compile(rb"<[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")
_ATTRIBUTE: Final = re.compile(rb"\s+([^\s=<>\"'/]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_SLASH: Final = ord("/")
_PADDING: Final = re.compile(rb"\s{2,}(?=<\?xpacket end=)")

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class XmpReading:
    """What a packet says of the picture's making.

    `present`: it says anything; `valid`: it is sound and names exactly one of IPTC's source types, and our own properties, if
    there, once each. XMP protects itself by nothing: that the words are still ours only the C2PA manifest shows.
    """

    present: bool = False
    valid: bool = False
    digital_source_type: str | None = None
    result: str | None = None
    mark: str | None = None

    def __bool__(self) -> bool:
        return self.valid


def is_word(text: str) -> bool:
    """Whether `text` may be a result's id or a payload: 1 to 64 letters, digits, dots, dashes; no path, no prompt."""
    return _WORD.fullmatch(text) is not None


def read(packet: bytes | None) -> XmpReading:
    """What `packet` says; of a damaged packet that nothing is valid."""
    if packet is None:
        return XmpReading()
    try:
        said = _parsed(packet).values
    except (ValueError, expat.ExpatError):
        named = any(name.encode() in packet for name in (*_SOURCE_TYPE, OWN))
        return XmpReading(present=named)
    kinds, results, marks = (said.get(name, []) for name in (_SOURCE_TYPE, _RESULT, _MARK))
    sound = len(kinds) == 1 and _TYPE.fullmatch(kinds[0]) is not None
    sound = sound and all(len(words) <= 1 and all(map(is_word, words)) for words in (results, marks))
    return XmpReading(
        present=bool(kinds or results or marks),
        valid=sound,
        digital_source_type=kinds[0] if kinds else None,
        result=results[0] if results else None,
        mark=marks[0] if marks else None,
    )


def marked(packet: bytes | None, *, result_id: str, mark: str | None = None) -> bytes:
    """`packet` with our marks in place of what it said of them before; a minimal packet where it is damaged or missing.

    `mark` is the payload of the invisible mark in hexadecimal digits. Raises ValueError for words that are none (our bug). At
    most 65,000 bytes: padding goes first, then everything but the marks.
    """
    for word in (result_id, *([] if mark is None else [mark])):
        if not is_word(word):
            raise ValueError(f"{word!r} cannot stand in a picture's metadata")
    try:
        whole = _edited(packet, result_id, mark=mark) if packet is not None else b""
    except (ValueError, expat.ExpatError):
        whole = b""
    if len(whole) > MAX_BYTES:
        whole = _PADDING.sub(b"\n", whole)
    wanted = XmpReading(True, True, COMPOSITE, result_id, mark)
    if whole and len(whole) <= MAX_BYTES and read(whole) == wanted:
        return whole
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        b'<rdf:RDF xmlns:rdf="%s">\n%s</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
        % (_RDF.encode(), _description("", result_id, mark=mark))
    )


def _description(about: str, result_id: str, *, mark: str | None) -> bytes:
    """One rdf:Description with our properties, which brings its own names along: it can stand in any packet."""
    own = f" <outfitswap:Mark>{mark}</outfitswap:Mark>\n" if mark is not None else ""
    return (
        f'<rdf:Description rdf:about={quoteattr(about)} xmlns:rdf="{_RDF}" xmlns:Iptc4xmpExt="{_IPTC_EXT}"'
        f' xmlns:outfitswap="{OWN}">\n'
        f" <Iptc4xmpExt:DigitalSourceType>{COMPOSITE}</Iptc4xmpExt:DigitalSourceType>\n"
        f" <outfitswap:Result>{result_id}</outfitswap:Result>\n{own}</rdf:Description>\n"
    ).encode()


def _edited(packet: bytes, result_id: str, *, mark: str | None) -> bytes:
    packet = packet.rstrip(b"\0")
    found = _parsed(packet)
    if found.end is None:
        raise ValueError("nothing can be put into an empty rdf:RDF")
    pieces, position = [], 0
    for start, end in sorted(found.cuts):
        pieces.append(packet[position:start])
        position = end
    pieces += [packet[position : found.end], _description(found.about or "", result_id, mark=mark), packet[found.end :]]
    return b"".join(pieces)


@dataclass(slots=True)
class _Found:
    """`values` of the properties that are read, `cuts` the byte ranges of what must go, `end` where </rdf:RDF> starts."""

    values: dict[Name, list[str]] = field(default_factory=dict)
    cuts: list[tuple[int, int]] = field(default_factory=list)
    about: str | None = None
    end: int | None = None


def _parsed(packet: bytes) -> _Found:
    """Raises ExpatError for damage, ValueError for what is no XMP: no or several rdf:RDF, entities, not UTF-8, too deep."""
    if len(packet) > _MAX_READ:
        raise ValueError("too large")
    packet = packet.rstrip(b"\0")
    if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ValueError("document types and entities have no place in XMP")
    packet.decode("utf-8")
    walk = _Walk(packet)
    walk.parser.Parse(packet, True)
    if walk.roots != 1:
        raise ValueError("a packet has one rdf:RDF")
    return walk.found


class _Walk:
    """One parse. Depths count from rdf:RDF: 1 its Descriptions, 2 their properties."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.found = _Found()
        self.roots = 0
        self.depth = 0
        self.root_at: int | None = None
        self.root_empty = False
        self.inside = False
        self.open: tuple[Name, int, list[str]] | None = None
        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.namespace_prefixes = True
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: list[str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        name = _split(tag)
        at = self.parser.CurrentByteIndex
        if name == (_RDF, "RDF"):
            self.roots += 1
            self.root_at = self.depth
            self.root_empty = self.packet[_tag_end(self.packet, at) - 2] == _SLASH
            return
        below = self.depth - self.root_at if self.root_at is not None else 0
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        if below == 1:
            self.inside = name == (_RDF, "Description")
            if self.inside:
                self._describe(at, pairs)
        elif below == 2 and self.inside and (_doomed(name) or name in _KEPT):
            linked = [value for key, value in pairs if _split(key) == (_RDF, "resource")]
            self.open = (name, at, linked)

    def _describe(self, at: int, pairs: list[tuple[str, str]]) -> None:
        """A Description at the byte `at`: its about, and the properties written as attributes."""
        doomed = set()
        for key, value in pairs:
            name = _split(key)
            if name == (_RDF, "about") and self.found.about is None:
                self.found.about = value
            if name in _KEPT:
                self.found.values.setdefault(name, []).append(value.strip())
            if _doomed(name):
                doomed.add(f"{key.split(' ')[2]}:{name[1]}".encode())
        if doomed:
            self.found.cuts += [span for span, raw in _attributes(self.packet, at) if raw in doomed]

    def _end(self, tag: str) -> None:
        at = self.parser.CurrentByteIndex
        below = self.depth - self.root_at if self.root_at is not None else -1
        self.depth -= 1
        if below == 0:
            self.root_at = None
            self.found.end = None if self.root_empty else at
        elif below == 2 and self.open is not None:
            name, start, words = self.open
            self.open = None
            if name in _KEPT:
                self.found.values.setdefault(name, []).append("".join(words).strip())
            tag_end = _tag_end(self.packet, start)
            # where the element is one empty tag, expat names the place behind it
            empty = self.packet[tag_end - 2] == _SLASH
            self.found.cuts.append((start, tag_end if empty else self.packet.index(b">", at) + 1))

    def _text(self, text: str) -> None:
        if self.open is not None:
            self.open[2].append(text)


def _doomed(name: Name) -> bool:
    return name in (_SOURCE_TYPE, _PROVENANCE) or name[0] == OWN


def _split(name: str) -> Name:
    """Namespace and local name of what expat calls "namespace local prefix"."""
    parts = name.split(" ")
    return (parts[0], parts[1]) if len(parts) > 1 else ("", name)


def _tag_end(packet: bytes, start: int) -> int:
    tag = _START_TAG.match(packet, start)
    if tag is None:
        raise ValueError("a tag was not found again")
    return tag.end()


def _attributes(packet: bytes, start: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    """The attributes of the tag at `start`, one after the other: their byte ranges and raw names."""
    head = re.compile(rb"<[^\s/>]+").match(packet, start)
    position = head.end() if head else start
    while hit := _ATTRIBUTE.match(packet, position):
        yield hit.span(), hit[1]
        position = hit.end()
