# ruff: noqa: E501 - one scripted document or table row a line
"""The C2PA manifest: what it says and what it must not, the source's own one kept, forgeries told apart, no connection made."""

import io
import itertools
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import outfitswap_desktop
from outfitswap_desktop.core.encode import encode
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.marks import manifest, native, xmp
from outfitswap_desktop.safety.marks.manifest import ManifestReading
from tests.safety.marks.signing import (
    CREATED,
    FORMATS,
    TYPES,
    ed,
    exif,
    foreign,
    forged,
    install,
    issue,
    parts_of,
    picture,
    store_of,
)

OURS = install()
SAYS = {"result": "r-1", "mark": "00aabbccddee", "engine": "fabric", "kind": "result"}
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def plain(format: str, seed: int = 0, **more) -> bytes:
    return encode(picture(seed), format=format, xmp=xmp.marked(None, result_id="r-1"), **more)


def signed(format: str, **more) -> bytes:
    return manifest.sign(plain(format), format, certificate=OURS, facts=more.pop("facts", SAYS), **more)


def detailed(file: bytes, format: str) -> dict:
    with (
        native.context() as context,
        native.library().Reader(TYPES[format], io.BytesIO(file), context=context) as reader,
    ):
        return json.loads(reader.detailed_json())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("certificate", [OURS, issue(ed())], ids=["es256", "ed25519"])
def test_signed_and_read(format, certificate):
    file = manifest.sign(plain(format), format, certificate=certificate, facts=SAYS)
    wanted = {
        "present": True,
        "valid": True,
        "trusted": False,
        "state": "valid, not trusted",
        "reason": "signingCredential.untrusted",
        "source_type": COMPOSITE,
        "generator": f"OutfitSwap Desktop {outfitswap_desktop.__version__}",
        "result": "r-1",
        "mark": "00aabbccddee",
        "ingredients": (),
    }
    assert manifest.read(file, format) == ManifestReading(**wanted, this_install=None)
    assert manifest.read(file, format, certificate=certificate) == ManifestReading(**wanted, this_install=True)
    assert manifest.read(file, format, certificate=install(99)) == ManifestReading(**wanted, this_install=False)


@pytest.mark.parametrize("format", FORMATS)
def test_signing_adds_one_store_and_changes_nothing_else(format):
    before, after = plain(format), signed(format)
    start, end = store_of(after, format)
    assert 2500 < end - start < 4500
    rest = after[:start] + after[end:]
    if format == "WEBP":  # the file's length stands in its head
        assert (rest[:4], rest[8:]) == (before[:4], before[8:])
    else:
        assert rest == before


@pytest.mark.parametrize("format", FORMATS)
def test_what_it_says_and_nothing_more(format):
    whole = detailed(signed(format), format)
    (label,) = whole["manifests"]
    only = whole["manifests"][label]
    assert set(only["assertion_store"]) == {"c2pa.actions.v2", "c2pa.hash.data"}
    agent = {"name": "OutfitSwap Desktop", "version": outfitswap_desktop.__version__}
    assert only["assertion_store"]["c2pa.actions.v2"] == {
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": COMPOSITE,
                "softwareAgent": agent,
                "parameters": {
                    "outfitswap:result": "r-1",
                    "outfitswap:mark": "00aabbccddee",
                    "outfitswap:engine": "fabric",
                    "outfitswap:kind": "result",
                },
            }
        ]
    }
    claim = only["claim"]
    assert [part["url"] for part in claim["created_assertions"]] == [
        "self#jumbf=c2pa.assertions/c2pa.actions.v2",
        "self#jumbf=c2pa.assertions/c2pa.hash.data",
    ]
    assert not claim.get("gathered_assertions")
    assert claim["dc:title"] == "OutfitSwap result"
    about = dict(claim["claim_generator_info"])
    assert {name: about.pop(name) for name in ("name", "version")} == agent
    assert set(about) == {"org.contentauth.c2pa_rs"}
    (hole,) = only["assertion_store"]["c2pa.hash.data"]["exclusions"]
    start, end = store_of(signed(format), format)
    assert end - start - 1 <= hole["length"] <= end - start, "nothing but the store itself is left out of the hash"


def test_no_place_for_names_times_and_pictures():
    file = signed("JPEG")
    start, end = store_of(file, "JPEG")
    store = file[start:end]
    for trace in (
        b"thumbnail",
        b"/home",
        b"/tmp",
        str(Path.home()).encode() + b"/",
        b"T00:",
        b"+00:00",
        b"when",
        b"JFIF",
    ):
        assert trace not in store
    assert socket.gethostname().encode() not in store or len(socket.gethostname()) < 4


@pytest.mark.parametrize("facts", [
    {}, {"kind": "result"}, {"result": "a b"}, {"result": "r", "prompt": "x"}, {"result": "r", "engine": "/home/x"}, {"result": ""},
])  # fmt: skip
def test_facts_that_may_not_be_said(facts):
    with pytest.raises(ValueError, match="one word each"):
        manifest.sign(plain("PNG"), "PNG", certificate=OURS, facts=facts)


def test_result_alone_is_enough():
    reading = manifest.read(signed("PNG", facts={"result": "x"}), "PNG")
    assert (reading.result, reading.mark, reading.valid) == ("x", None, True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_and_a_stripped_copy(format):
    assert manifest.read(plain(format), format) == ManifestReading()
    assert ManifestReading() == ManifestReading(
        False, False, False, None, "absent", "manifest.absent", None, None, None, None, ()
    )
    from PIL import Image

    stripped = io.BytesIO()
    with Image.open(io.BytesIO(signed(format))) as opened:
        opened.save(stripped, format)
    assert not manifest.read(stripped.getvalue(), format, certificate=OURS).present


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_moved_to_another_picture(format):
    file, other = signed(format), plain(format, seed=5)
    start, end = store_of(file, format)
    at = 33 if format == "PNG" else start if format == "JPEG" else len(other)
    moved = other[:at] + file[start:end] + other[at:]
    if format == "WEBP":
        moved = moved[:4] + (len(moved) - 8).to_bytes(4, "little") + moved[8:]
    reading = manifest.read(moved, format, certificate=OURS)
    assert (reading.present, reading.valid, reading.this_install) == (True, False, None)
    assert (reading.state, reading.reason) == ("invalid", "assertion.dataHash.mismatch")


def test_rubbish_and_a_broken_store():
    assert manifest.read(b"", "PNG").valid is False
    assert manifest.read(b"rubbish" * 20, "JPEG").valid is False
    file = bytearray(signed("PNG"))
    start, end = store_of(bytes(file), "PNG")
    file[start + 60 : end - 1200] = bytes(end - start - 1260)
    reading = manifest.read(bytes(file), "PNG", certificate=OURS)
    assert reading == ManifestReading(present=True, state="invalid", reason="manifest.unreadable")


# Who signed


def test_a_forgery_under_our_name_is_not_this_install():
    reading = manifest.read(
        manifest.sign(plain("PNG"), "PNG", certificate=forged(), facts=SAYS), "PNG", certificate=OURS
    )
    assert (reading.valid, reading.this_install, reading.trusted) == (True, False, False)
    assert reading.generator.startswith("OutfitSwap Desktop")


@pytest.mark.parametrize("borrowed", ["serial number", "root", "both"])
def test_a_forgery_with_our_serial_number_and_our_root_in_its_chain(borrowed):
    from cryptography import x509

    leaf, _ = x509.load_pem_x509_certificates(OURS.chain)
    serial = None if borrowed == "root" else leaf.serial_number
    evil = forged(serial=serial, extra=b"" if borrowed == "serial number" else OURS.root)
    file = manifest.sign(plain("PNG"), "PNG", certificate=evil, facts=SAYS)
    reading = manifest.read(file, "PNG", certificate=OURS)
    assert (reading.valid, reading.this_install) == (True, False)


def test_our_chain_with_another_key_is_invalid():
    file = manifest.sign(plain("PNG"), "PNG", certificate=replace(OURS, key=forged().key), facts=SAYS)
    reading = manifest.read(file, "PNG", certificate=OURS)
    assert (reading.valid, reading.this_install, reading.reason) == (False, None, "claimSignature.mismatch")


def test_another_year_of_this_install_is_this_install():
    from datetime import UTC, datetime

    from tests.safety.marks.signing import p256

    later = issue(p256(), now=datetime(2030, 1, 1, tzinfo=UTC))
    assert later.chain != OURS.chain
    reading = manifest.read(signed("PNG"), "PNG", certificate=later)
    assert reading.this_install is True


@pytest.mark.slow
def test_an_expired_certificate_is_invalid():
    """C2PA's rule without a time stamp, and the reason for certificates that hold ten years."""
    short = forged(until=timedelta(seconds=5))
    file = manifest.sign(plain("PNG"), "PNG", certificate=short, facts=SAYS)
    assert manifest.read(file, "PNG", certificate=short).valid
    time.sleep(7)
    reading = manifest.read(file, "PNG", certificate=short)
    assert (reading.valid, reading.this_install, reading.reason) == (False, None, "signingCredential.expired")


def test_a_certificate_for_another_use_signs_nothing():
    wrong = forged(usage="1.3.6.1.5.5.7.3.1")
    with pytest.raises(NotAvailable, match="could not be signed"):
        manifest.sign(plain("PNG"), "PNG", certificate=wrong, facts=SAYS)


@pytest.mark.parametrize(
    "broken", [replace(OURS, key=b"no key"), replace(OURS, chain=b"no chain")], ids=["key", "chain"]
)
def test_signing_with_a_broken_certificate_says_so(broken):
    with pytest.raises(NotAvailable, match="could not be signed") as caught:
        manifest.sign(plain("PNG"), "PNG", certificate=broken, facts=SAYS)
    assert caught.value.reason == "marks_failed"


def test_signing_what_is_no_picture_says_so():
    with pytest.raises(NotAvailable, match="could not be signed") as caught:
        manifest.sign(b"no picture", "PNG", certificate=OURS, facts=SAYS)
    assert caught.value.reason == "marks_failed"


# The source's own manifest


THUMBNAILS = {"builder": {"thumbnail": {"enabled": True}}}


def camera(format: str = "JPEG", settings=None, definition=CREATED) -> bytes:
    return foreign(plain(format, seed=3), format, forged(), definition, settings)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_the_sources_manifest_becomes_the_parent(format, source):
    reading = manifest.read(signed(format, source=camera(source)), format, certificate=OURS)
    assert (reading.valid, reading.this_install, reading.source_type, reading.result) == (True, True, COMPOSITE, "r-1")
    (parent,) = reading.ingredients
    assert parent.as_json() == {
        "title": "Source photo",
        "relationship": "parentOf",
        "has_manifest": True,
        "valid": True,
        "reason": "signingCredential.untrusted",
        "generator": "Some Camera 3",
    }


def test_opened_then_edited():
    whole = detailed(signed("PNG", source=camera()), "PNG")
    active = whole["manifests"][whole["active_manifest"]]
    first, last = active["assertion_store"]["c2pa.actions.v2"]["actions"]
    assert first["action"] == "c2pa.opened"
    assert first["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3")
    assert (last["action"], last["digitalSourceType"]) == ("c2pa.edited", COMPOSITE)
    assert last["parameters"]["outfitswap:result"] == "r-1"
    assert len(whole["manifests"]) == 2


def test_a_source_without_a_manifest_is_no_ingredient():
    for source in (None, plain("JPEG"), b"rubbish", b"\xff\xd8 not a picture", b"", b"RIFF", b"GIF89a"):
        whole = detailed(signed("PNG", source=source), "PNG")
        assert len(whole["manifests"]) == 1
        (action,) = whole["manifests"][whole["active_manifest"]]["assertion_store"]["c2pa.actions.v2"]["actions"]
        assert action["action"] == "c2pa.created"


def test_a_changed_source_keeps_its_state():
    source = bytearray(camera())
    source[-30] ^= 1
    reading = manifest.read(signed("PNG", source=bytes(source)), "PNG", certificate=OURS)
    assert reading.valid
    (parent,) = reading.ingredients
    assert (parent.has_manifest, parent.valid, parent.reason) == (True, False, "assertion.dataHash.mismatch")


def test_the_sources_thumbnail_and_position_do_not_travel_on():
    place = {"label": "stds.exif", "kind": "Json", "data": {
        "@context": {"exif": "http://ns.adobe.com/exif/1.0/"}, "exif:GPSLatitude": "39,21.102N", "exif:GPSLongitude": "74,26.5737W",
    }}  # fmt: skip
    name = {"label": "com.example.note", "data": {"note": "kept"}}
    source = camera(settings=THUMBNAILS, definition={**CREATED, "assertions": [*CREATED["assertions"], place, name]})
    held = detailed(source, "JPEG")
    (label,) = held["manifests"]
    assert {"c2pa.thumbnail.claim", "stds.exif"} <= set(held["manifests"][label]["assertion_store"])
    file = signed("PNG", source=source)
    for trace in (b"39,21.102N", b"GPSLatitude", b"JFIF"):
        assert trace in source
        assert trace not in file
    whole = detailed(file, "PNG")
    kept = set(whole["manifests"][label]["assertion_store"])
    assert "com.example.note" in kept
    assert not {"c2pa.thumbnail.claim", "stds.exif"} & kept
    reading = manifest.read(file, "PNG", certificate=OURS)
    assert reading.valid
    assert reading.ingredients[0].valid
    actions = whole["manifests"][whole["active_manifest"]]["assertion_store"]["c2pa.actions.v2"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.redacted", "c2pa.redacted", "c2pa.edited"]
    assert {action.get("reason") for action in actions} == {None, "c2pa.PII.present"}


def test_a_chain_of_results_keeps_its_history():
    file = camera(settings=THUMBNAILS)
    for number in range(3):
        file = manifest.sign(
            plain("JPEG", seed=number), "JPEG", certificate=OURS, facts={"result": f"r{number}"}, source=file
        )
    reading = manifest.read(file, "JPEG", certificate=OURS)
    assert (reading.valid, reading.result) == (True, "r2")
    assert reading.ingredients[0].generator.startswith("OutfitSwap Desktop")
    assert len(detailed(file, "JPEG")["manifests"]) == 4
    assert len(file) < 40_000


# Strictness of reading


def document(**changes) -> dict:
    whole = {
        "active_manifest": "m",
        "manifests": {
            "m": {
                "claim_generator_info": [{"name": "N", "version": "1"}],
                "assertions": [
                    {"label": "c2pa.actions.v2", "data": {"actions": [
                        {"action": "c2pa.created", "digitalSourceType": "t0"},
                        {"action": "c2pa.edited", "digitalSourceType": "t1", "parameters": {"outfitswap:result": "r", "outfitswap:mark": "aa"}},
                    ]}},
                    {"label": "other", "data": {"actions": [{"action": "x", "digitalSourceType": "t2"}]}},
                ],
            }
        },
        "validation_results": {"activeManifest": {
            "success": [{"code": "claimSignature.validated"}, {"code": "assertion.dataHash.match"}],
            "informational": [],
            "failure": [{"code": "signingCredential.untrusted"}],
        }},
        "validation_state": "Valid",
    }  # fmt: skip
    results = whole["validation_results"]["activeManifest"]
    for kind in ("success", "informational", "failure"):
        if kind in changes:
            results[kind] = [{"code": code} for code in changes.pop(kind)]
    whole["manifests"]["m"] |= changes.pop("manifest", {})
    return whole | changes


def test_the_scripted_document_is_valid():
    reading = manifest._reading(document(), known=True)
    assert reading == ManifestReading(
        True, True, False, False, "valid, not trusted", "signingCredential.untrusted", "t1", "N 1", "r", "aa", ()
    )
    assert manifest._reading(document(validation_state="Trusted", failure=[]), known=True).this_install is True
    assert manifest._reading(document(validation_state="Trusted", failure=[]), known=False).this_install is None
    assert manifest._reading(document(validation_state="Trusted", failure=[]), known=True).trusted is False
    boxes = document(success=["claimSignature.validated", "assertion.boxesHash.match"])
    assert manifest._reading(boxes, known=True).valid


DOUBTS = {
    "state": ({"validation_state": "Invalid"}, "manifest.invalid"),
    "unknown state": ({"validation_state": "Perfect"}, "manifest.invalid"),
    "not signed": ({"success": ["assertion.dataHash.match"]}, "manifest.unbound"),
    "not bound": ({"success": ["claimSignature.validated"]}, "manifest.unbound"),
    "holes": ({"informational": ["assertion.dataHash.additionalExclusionsPresent"]}, "assertion.dataHash.additionalExclusionsPresent"),
    "failures": ({"failure": ["b.b", "signingCredential.untrusted", "a.a"]}, "a.a, b.b"),
    "failure though trusted": ({"failure": ["a.a"], "validation_state": "Trusted"}, "a.a"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), DOUBTS.values(), ids=DOUBTS)
def test_any_doubt_makes_it_invalid(change, reason):
    reading = manifest._reading(document(**change), known=True)
    assert (reading.present, reading.valid, reading.state, reading.reason) == (True, False, "invalid", reason)
    assert reading.this_install is None


def test_odd_manifests_of_others():
    def read(**change):
        return manifest._reading(document(manifest=change), known=False)

    assert read(claim_generator_info=None, claim_generator="old/1").generator == "old/1"
    assert read(claim_generator_info=[{"name": "only"}]).generator == "only"
    assert read(claim_generator_info=None).generator is None
    assert read(assertions=[]).source_type is None
    assert read(assertions=[{"label": "c2pa.actions", "data": "text"}]).source_type is None
    assert (
        read(assertions=[{"label": "c2pa.actions", "data": {"actions": [{"digitalSourceType": "t"}]}}]).source_type
        == "t"
    )
    long = [
        {
            "label": "c2pa.actions",
            "data": {"actions": [{"parameters": {"outfitswap:result": "a b", "outfitswap:mark": 3}}]},
        }
    ]
    assert (read(assertions=long).result, read(assertions=long).mark) == (None, None)
    bare = read(ingredients=[{}]).ingredients[0]
    assert bare.as_json() == {
        "title": "", "relationship": "", "has_manifest": False, "valid": False, "reason": "manifest.absent", "generator": ""
    }  # fmt: skip
    good = {"activeManifest": {"success": [{"code": "claimSignature.validated"}], "failure": []}}
    lost = read(ingredients=[{"active_manifest": "gone", "validation_results": good}]).ingredients[0]
    assert (lost.valid, lost.generator, lost.reason) == (True, "", "signingCredential.untrusted")
    without = read(ingredients=[{"validation_results": good}]).ingredients[0]
    assert not without.valid
    unsigned = read(ingredients=[{"active_manifest": "m", "validation_results": {"activeManifest": {}}}]).ingredients[0]
    assert (unsigned.has_manifest, unsigned.valid, unsigned.generator) == (True, False, "N 1")


@pytest.mark.parametrize(
    "odd", ["{}", "[]", "null", "{", '{"active_manifest": "a", "manifests": {"a": 3}}', "[" * 100_000]
)
def test_a_document_of_an_unknown_shape_is_invalid(monkeypatch, odd):
    monkeypatch.setattr(native.library().Reader, "json", lambda self: odd)
    reading = manifest.read(signed("PNG"), "PNG", certificate=OURS)
    assert reading == ManifestReading(present=True, state="invalid", reason="manifest.unreadable")


# The network


def pointing_to(port: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/"'
        f' dcterms:provenance="http://127.0.0.1:{port}/m.c2pa"/></rdf:RDF></x:xmpmeta>'
    ).encode()


@pytest.fixture
def listening():
    """A server on this machine: (port, list of connections made to it)."""
    made = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                made.append(connection.recv(100))
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], made
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_elsewhere_is_not_fetched(format, listening):
    port, made = listening
    file = encode(picture(), format=format, xmp=pointing_to(port))
    assert manifest.read(file, format, certificate=OURS) == ManifestReading(reason="manifest.remote")
    ours = manifest.sign(file, format, certificate=OURS, facts=SAYS, source=file)
    assert manifest.read(ours, format, certificate=OURS).valid
    assert made == []


def test_the_listening_server_would_have_noticed(listening):
    port, made = listening
    file = encode(picture(), format="JPEG", xmp=pointing_to(port))
    c2pa = native.library()
    with pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/jpeg", io.BytesIO(file), context=c2pa.Context.from_dict({}))
    assert len(made) == 1


ALONE = """
import socket, sys

def deny(event, args):
    if event.startswith("socket."):
        raise OSError("network use is blocked: " + event)

sys.addaudithook(deny)
from tests.safety.marks.test_manifest import OURS, camera, manifest, signed
assert manifest.read(signed("JPEG", source=camera()), "JPEG", certificate=OURS).this_install
"""


@pytest.mark.parametrize("apart", [False, True])
def test_signing_and_reading_without_a_network(apart):
    prefix = []
    if apart:
        unshare = shutil.which("unshare")
        if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
            pytest.skip("this system does not let us make a network namespace (unshare -rn)")
        prefix = [unshare, "-rn"]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", ALONE], cwd=Path(__file__).resolve().parents[3],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_many_threads_sign_at_once():
    from concurrent.futures import ThreadPoolExecutor

    def one(number):
        file = manifest.sign(plain("JPEG", number), "JPEG", certificate=OURS, facts={"result": f"r{number}"})
        return manifest.read(file, "JPEG", certificate=OURS)

    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(one, range(16)))
    assert [reading.result for reading in readings] == [f"r{number}" for number in range(16)]
    assert all(reading.this_install for reading in readings)


def test_the_structure_that_the_tests_cut_up():
    for format in FORMATS:
        file = manifest.sign(plain(format, exif=exif()), format, certificate=OURS, facts=SAYS)
        parts = parts_of(file, format)
        assert parts[0][0] == 0
        assert parts[-1][1] == len(file)
        assert all(one[1] == two[0] for one, two in itertools.pairwise(parts))
        assert store_of(file, format)[0] in {start for start, _ in parts}
