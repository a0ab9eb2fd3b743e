# ruff: noqa: E501 - one packet a line
"""The mark in XMP: set in every kind of packet, everything else kept byte for byte, damage replaced."""

import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from outfitswap_desktop.core.encode import MAX_SEGMENT_METADATA
from outfitswap_desktop.safety.marks import xmp

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
TAIL = "</rdf:RDF></x:xmpmeta>"
ONE = XMP = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
CAMERA = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def packet(body: str) -> bytes:
    return f"{HEAD}{body}{TAIL}".encode()


def described(inner: str = "", attributes: str = "", about: str = "") -> str:
    return (
        f'<rdf:Description rdf:about="{about}" xmlns:I="{EXT}" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:o="https://outfitswap.invalid/ns/1.0/" xmlns:t="http://purl.org/dc/terms/"{attributes}>{inner}</rdf:Description>'
    )


def without_ours(marked: bytes) -> bytes:
    """The packet less the one Description that marking adds, which stands right before the end of rdf:RDF."""
    block = re.compile(
        rb'<rdf:Description rdf:about=("[^"]*"|\'[^\']*\') xmlns:rdf=[^>]*>\n <Iptc4xmpExt:.*?</rdf:Description>\n',
        re.S,
    )
    assert len(block.findall(marked)) == 1
    return block.sub(b"", marked)


def test_the_words_are_iptcs_and_ours():
    assert xmp.COMPOSITE == ONE
    assert xmp.OWN == "https://outfitswap.invalid/ns/1.0/"
    assert xmp.MAX_BYTES == MAX_SEGMENT_METADATA == 65_000


def test_a_minimal_packet_says_it_all():
    made = xmp.marked(None, result_id="r-1.x_Y", mark="00ff")
    assert xmp.read(made) == xmp.XmpReading(True, True, ONE, "r-1.x_Y", "00ff")
    assert made.startswith(b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    assert made.endswith(b'<?xpacket end="w"?>')
    assert len(made) < 1000
    assert b"Mark" not in xmp.marked(None, result_id="r")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_other_programs_read_the_mark(format):
    from outfitswap_desktop.core.encode import encode
    from tests.safety.marks.signing import picture

    file = encode(picture(), format=format, xmp=xmp.marked(None, result_id="r1", mark="aa"))
    with Image.open(io.BytesIO(file)) as opened:
        opened.load()
        root = ElementTree.fromstring(opened.info["xmp"])
    (description,) = root.iter(f"{{{RDF}}}Description")
    assert {part.tag: part.text for part in description} == {
        f"{{{EXT}}}DigitalSourceType": ONE,
        "{https://outfitswap.invalid/ns/1.0/}Result": "r1",
        "{https://outfitswap.invalid/ns/1.0/}Mark": "aa",
    }


GONE = {
    "element": described(f"<I:DigitalSourceType>{CAMERA}</I:DigitalSourceType><I:Event>x</I:Event>"),
    "attribute": described("<I:Event>x</I:Event>", f' I:DigitalSourceType="{CAMERA}"'),
    "attribute, single quotes": described("<I:Event/>", f" I:DigitalSourceType = '{CAMERA}' dc:format='a/b'"),
    "empty element": described("<I:DigitalSourceType/><I:Event/>"),
    "resource": described(f'<I:DigitalSourceType rdf:resource="{CAMERA}"/><I:Event/>'),
    "resource with a bracket": described('<I:DigitalSourceType rdf:resource="a>b"/><I:Event/>'),
    "odd end tag": described("<I:DigitalSourceType>x</I:DigitalSourceType  ><I:Event/>"),
    "twice": described(f"<I:DigitalSourceType>{CAMERA}</I:DigitalSourceType>", f' I:DigitalSourceType="{ONE}"'),
    "in two descriptions": described(f' <I:DigitalSourceType>{CAMERA}</I:DigitalSourceType>\n') + described("", ' I:DigitalSourceType="x"'),
    "our own of before": described("<o:Result>old</o:Result><o:Mark>aa</o:Mark><o:Anything><rdf:Bag/></o:Anything><I:Event/>", ' o:Else="1"'),
    "nested markup": described("<I:DigitalSourceType><rdf:Alt><rdf:li>x</rdf:li></rdf:Alt></I:DigitalSourceType><I:Event/>"),
    "the source's manifest elsewhere": described("<I:Event/>", ' t:provenance="https://a.example/m.c2pa"'),
}  # fmt: skip


@pytest.mark.parametrize("body", GONE.values(), ids=GONE)
def test_what_was_said_before_is_replaced(body):
    made = xmp.marked(packet(body), result_id="new", mark="0badc0de")
    assert xmp.read(made) == xmp.XmpReading(True, True, ONE, "new", "0badc0de")
    rest = without_ours(made)
    assert xmp.read(rest) == xmp.XmpReading()
    for trace in (b"DigitalSourceType", b"provenance", b"o:Result", b"o:Mark", b"o:Any", b"o:Else", CAMERA.encode()):
        assert trace not in rest
    for kept in (b"<I:Event>x</I:Event>", b"<I:Event/>", b"dc:format='a/b'", b'xmlns:I="'):
        assert (kept in rest) == (kept in packet(body))


@pytest.mark.parametrize("gone", [
    f"<I:DigitalSourceType>{CAMERA}</I:DigitalSourceType>", "<I:DigitalSourceType></I:DigitalSourceType >", "<I:DigitalSourceType/>",
    "<I:DigitalSourceType rdf:resource='a>b' />", "<o:Any><rdf:Bag><rdf:li>a</rdf:li></rdf:Bag></o:Any>", "<t:provenance>x</t:provenance>",
])  # fmt: skip
def test_nothing_of_a_property_stays_behind(gone):
    made = xmp.marked(packet(described(f"<dc:a/>{gone}<dc:b/>")), result_id="r")
    assert without_ours(made) == packet(described("<dc:a/><dc:b/>"))


@pytest.mark.parametrize("gone", [f' I:DigitalSourceType="{CAMERA}"', "\n  o:Any = 'x>y'", ' t:provenance="u"'])
def test_nothing_of_an_attribute_stays_behind(gone):
    made = xmp.marked(packet(described("<dc:b/>", f' dc:a="1"{gone} dc:c="2"')), result_id="r")
    assert without_ours(made) == packet(described("<dc:b/>", ' dc:a="1" dc:c="2"'))


KEPT = {
    "nothing special": described("<dc:title>A &amp; B</dc:title>"),
    "nested source type": described(f"<I:ArtworkOrObject><rdf:Bag><rdf:li><rdf:Description><I:DigitalSourceType>{CAMERA}</I:DigitalSourceType></rdf:Description></rdf:li></rdf:Bag></I:ArtworkOrObject>"),
    "in a comment": described("<!-- <I:DigitalSourceType>x</I:DigitalSourceType> </rdf:RDF> --><dc:a/>"),
    "in character data": described("<dc:a><![CDATA[</rdf:RDF><I:DigitalSourceType/>]]></dc:a>"),
    "in another attribute's value": described("", " dc:format=\"x I:DigitalSourceType='no' &gt;\""),
    "of another namespace": described('<z:DigitalSourceType xmlns:z="urn:z">x</z:DigitalSourceType>'),
    "an instruction": described("<dc:a/>") + "<?note </rdf:RDF>?>",
    "several descriptions": described("<dc:a/>") + "\r\n\t" + described("<dc:b/>"),
    "a typed node": f'<I:Thing rdf:about=""><I:DigitalSourceType>{CAMERA}</I:DigitalSourceType></I:Thing>'.replace("<I:Thing", f'<I:Thing xmlns:I="{EXT}"'),
    "letters of the world": described("<dc:title>Ünïcode 写真 😀</dc:title>"),
}  # fmt: skip


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("wrapped", [False, True])
def test_everything_else_stays_byte_for_byte(body, wrapped):
    before = packet(body)
    if wrapped:
        before = (
            b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            + before
            + b" " * 2000
            + b'<?xpacket end="w"?>'
        )
    made = xmp.marked(before, result_id="r")
    assert without_ours(made) == before
    assert xmp.read(made) == xmp.XmpReading(True, True, ONE, "r")
    assert xmp.read(before) == xmp.XmpReading()


def test_a_packet_without_adobes_wrapper_and_with_other_prefixes():
    before = f'<?xml version="1.0" encoding="UTF-8"?>\n<R:RDF xmlns:R="{RDF}"><R:Description R:about="uuid:1&amp;&quot;2"/></R:RDF>'
    made = xmp.marked(before.encode(), result_id="r")
    assert xmp.read(made).valid
    assert b"rdf:about='uuid:1&amp;\"2' xmlns:rdf" in made, "all Descriptions of a packet speak of the same thing"


def test_the_first_about_is_taken():
    made = xmp.marked(packet(described(about="one") + described(about="two")), result_id="r")
    assert b'rdf:about="one" xmlns:rdf=' in made
    assert b'rdf:about="two" xmlns:rdf=' not in made


def test_marking_twice_is_marking_once():
    before = packet(described("<dc:a/>"))
    once = xmp.marked(before, result_id="r1")
    twice = xmp.marked(once, result_id="r2")
    assert twice.count(b"outfitswap:Result>r2<") == 1
    assert b"r1" not in twice
    assert len(twice) <= len(once) + len(xmp._description("", "r2", mark=None)), "an emptied Description may stay"
    assert xmp.read(twice).result == "r2"


DAMAGED = {
    "nothing": b"",
    "no XML": b"\xff\xd8 not at all",
    "cut off": packet(described("<dc:a/>"))[:-9],
    "unbound prefix": packet("<rdf:Description rdf:about=''><q:a/></rdf:Description>"),
    "not UTF-8": packet(described("<dc:a>X</dc:a>")).replace(b"X", b"\xe9"),
    "UTF-16": packet(described("<dc:a/>")).decode().encode("utf-16"),
    "document type": b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + packet(described("<dc:a>&a;</dc:a>")),
    "no rdf:RDF": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    "two rdf:RDF": f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>'.encode(),
    "rdf:RDF in rdf:RDF": packet(described(f'<dc:a><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></dc:a>')),
    "empty rdf:RDF": f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode(),
    "too deep": packet(described("<dc:a>" * 101 + "</dc:a>" * 101)),
    "enormous": packet(described("<dc:a/>") + " " * (1 << 20)),
}  # fmt: skip


@pytest.mark.parametrize("broken", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_packet_is_replaced(broken):
    assert xmp.marked(broken, result_id="r") == xmp.marked(None, result_id="r")
    assert not xmp.read(broken)


def test_a_megabyte_is_read_and_not_a_byte_more():
    said = described(f"<I:DigitalSourceType>{ONE}</I:DigitalSourceType>")
    whole = packet(said + " " * ((1 << 20) - len(packet(said))))
    assert len(whole) == 1 << 20
    assert xmp.read(whole).valid
    assert not xmp.read(whole + b" ").valid


def test_depth_has_its_limit_at_a_hundred():
    def nested(levels):
        return packet(described("<dc:a>" * levels + "</dc:a>" * levels))

    assert without_ours(xmp.marked(nested(97), result_id="r")) == nested(97)
    assert xmp.marked(nested(98), result_id="r") == xmp.marked(None, result_id="r")


def test_trailing_zeros_and_padding():
    before = packet(described("<dc:a/>"))
    assert without_ours(xmp.marked(before + b"\0\0", result_id="r")) == before
    assert xmp.read(xmp.marked(before + b"\0", result_id="r") + b"\0").valid


def test_a_tag_that_is_not_there():
    with pytest.raises(ValueError, match="not found again"):
        xmp._tag_end(b"<a b='c", 0)


def test_room_is_made_by_dropping_padding_then_everything():
    end = b'<?xpacket end="w"?>'

    def sized(letters, padding):
        return packet(described(f"<dc:a>{'x' * letters}</dc:a>")) + b" \n" * padding + end

    added = len(xmp.marked(sized(0, 0), result_id="r")) - len(sized(0, 0))
    room = xmp.MAX_BYTES - added - len(sized(0, 0))
    full = xmp.marked(sized(room, 0), result_id="r")
    assert len(full) == xmp.MAX_BYTES
    assert without_ours(full) == sized(room, 0)
    assert without_ours(xmp.marked(sized(room - 200, 100), result_id="r")) == sized(room - 200, 100), "exactly full"
    padded = xmp.marked(sized(room - 1, 3000), result_id="r")
    assert without_ours(padded) == sized(room - 1, 0).replace(end, b"\n" + end)
    assert xmp.marked(sized(room + 1, 0), result_id="r") == xmp.marked(None, result_id="r")


@pytest.mark.parametrize("word", ["", "a b", "/home/x", "a\n", "é", "x" * 65, "-a", "<a>", 'a"', "C:\\x"])
def test_no_path_and_no_prompt_gets_in(word):
    assert not xmp.is_word(word)
    with pytest.raises(ValueError, match="cannot stand"):
        xmp.marked(None, result_id=word)
    with pytest.raises(ValueError, match="cannot stand"):
        xmp.marked(None, result_id="r", mark=word)
    assert xmp.is_word("x" * 64)


READINGS = {
    "camera": (described(f"<I:DigitalSourceType> {CAMERA}\n</I:DigitalSourceType>"), (True, True, CAMERA, None, None)),
    "as attribute": (described("", f' I:DigitalSourceType="{CAMERA}"'), (True, True, CAMERA, None, None)),
    "as resource": (described(f'<I:DigitalSourceType rdf:resource="{CAMERA}"/>'), (True, True, CAMERA, None, None)),
    "own attributes": (described("", f' I:DigitalSourceType="{ONE}" o:Result="r" o:Mark="aa"'), (True, True, ONE, "r", "aa")),
    "nothing": (described("<dc:a/>"), (False, False, None, None, None)),
    "result alone": (described("<o:Result>r</o:Result>"), (True, False, None, "r", None)),
    "mark alone": (described("<o:Mark>r</o:Mark>"), (True, False, None, None, "r")),
    "two types": (described(f"<I:DigitalSourceType>{ONE}</I:DigitalSourceType>" * 2), (True, False, ONE, None, None)),
    "two results": (described(f"<I:DigitalSourceType>{ONE}</I:DigitalSourceType><o:Result>a</o:Result><o:Result>b</o:Result>"), (True, False, ONE, "a", None)),
    "two marks": (described(f"<I:DigitalSourceType>{ONE}</I:DigitalSourceType><o:Mark>a</o:Mark><o:Mark>b</o:Mark>"), (True, False, ONE, None, "a")),
    "result of two words": (described(f"<I:DigitalSourceType>{ONE}</I:DigitalSourceType><o:Result>a b</o:Result>"), (True, False, ONE, "a b", None)),
    "no type of IPTC's": (described("<I:DigitalSourceType>http://x.example/a</I:DigitalSourceType>"), (True, False, "http://x.example/a", None, None)),
    "type with a tail": (described(f"<I:DigitalSourceType>{ONE}/x</I:DigitalSourceType>"), (True, False, f"{ONE}/x", None, None)),
}  # fmt: skip


@pytest.mark.parametrize(("body", "said"), READINGS.values(), ids=READINGS)
def test_reading(body, said):
    reading = xmp.read(packet(body))
    assert reading == xmp.XmpReading(*said)
    assert bool(reading) is said[1]


def test_no_packet_says_nothing():
    assert xmp.read(None) == xmp.XmpReading(False, False, None, None, None)
    assert not xmp.read(None)


def test_a_damaged_packet_with_our_words_is_present_and_not_valid():
    made = xmp.marked(None, result_id="r")
    for broken in (made[:-40], made.replace(b"</outfitswap:Result>", b""), b"\xff" + made):
        assert xmp.read(broken) == xmp.XmpReading(present=True)
    assert xmp.read(b"<broken") == xmp.XmpReading()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 60))
def test_whatever_comes_in_a_sound_packet_goes_out(noise, at, cut):
    whole = packet(described(f"<I:DigitalSourceType>{CAMERA}</I:DigitalSourceType><dc:a>b</dc:a>"))
    for broken in (noise, whole[:at] + noise + whole[at + cut :]):
        made = xmp.marked(broken, result_id="r")
        assert xmp.read(made) == xmp.XmpReading(True, True, ONE, "r")
        xmp.read(broken)
