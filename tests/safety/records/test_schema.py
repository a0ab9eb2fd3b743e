"""The log takes numbers, hashes and known words, and nothing that could be a picture, a prompt, a name or a path."""

import ast
import base64
import json
import types
import zlib
from pathlib import Path

import numpy as np
import pytest

from outfitswap_desktop.safety import detectors, stages
from outfitswap_desktop.safety.prompt.answer import DENIED, OTHER
from outfitswap_desktop.safety.records import schema
from tests.safety.records.conftest import sha

GOOD = {"kind": "decision", "stage": "output", "outcome": "refused"}
FULL = {
    **GOOD,
    "role": "photo",
    "gate": "skin",
    "reason": "output_skin",
    "scores": {"nsfw": 0.25, "chest_hip": 1},
    "picture": sha(1),
    "pixels": sha(2),
    "root": sha(3),
    "request": sha(4),
    "mask": sha(5),
    "consent": "0a" * 16,
    "format": "PNG",
    "reduced": False,
    "marked": True,
    "milliseconds": 250,
    "version": "0.1.0",
}


def test_a_full_decision_fits():
    schema.check(FULL)
    schema.check(GOOD)
    schema.check(types.MappingProxyType(GOOD))


SMUGGLED = [
    "Anna Smith",
    "/home/anna/photo.png",
    "a red dress",
    "data:image/png;base64,AAAA",
    "",
    "x" * 64,
    "SKIN",
    None,
    b"x",
    1.5,
]


@pytest.mark.parametrize("field", [name for name in FULL if name != "kind"])
def test_no_field_takes_free_text(field):
    for value in SMUGGLED:
        if field in ("reduced", "marked", "milliseconds", "scores") or not isinstance(value, float):
            with pytest.raises(schema.EventRefusedError) as refusal:
                schema.check({**FULL, field: value})
            assert "Anna" not in str(refusal.value), "the message names fields, no values"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"kind": 1},
        {"kind": ["decision"]},
        {"kind": "anna"},
        {"kind": "decision"},
        {"kind": "decision", "stage": "output"},
        {**GOOD, "prompt": "a dress"},
        {**GOOD, "path": "x"},
        {**GOOD, "at": 5},
        {**GOOD, 7: 1},
        {"kind": "released", "result": sha(1), "pixels": sha(1), "root": {}},
        {"kind": "segment", "reason": "first", "before_seq": 0, "before_hash": sha(0)},
        {"kind": "checkpoint", "pruned_to": 1, "hash": sha(0), "rows": 1, "whole": True},
        {"kind": "consent_given", "consent": "0a" * 16, "digest": sha(1), "basis": "self", "adult": True},
        {"kind": "consent_erased", "consent": "0a" * 16, "why": "asked"},
    ],
)
def test_what_is_not_an_open_kind_in_full_is_refused(event):
    with pytest.raises(schema.EventRefusedError):
        schema.check(event)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("picture", [sha(0), "f" * 64], ["F" * 64, "f" * 63, "f" * 65, "g" * 64, "f" * 64 + "\n", 5]),
        ("consent", ["f" * 32], ["f" * 31, "f" * 33, "f" * 64]),
        ("milliseconds", [0, 2**53 - 1], [-1, 2**53, 1.0, True, "1"]),
        ("reduced", [True, False], [0, 1, "true"]),
        ("version", ["1", "0.1.0", "1.2.3.4", "2.0rc1", "1.0.dev3", "3.11.2"], 
         ["", "v1", "1.2.3.4.5", "anna", "1.0-anna", "1" * 25]),
        ("scores", [{}, {"nsfw": 0}, {"nsfw": -3.5}, {"FACE_MALE": 1e9}],
         [{"anna": 1}, {"nsfw": "1"}, {"nsfw": float("nan")}, {"nsfw": float("inf")}, {"nsfw": True}, {1: 1}, [1], 3]),
        ("stage", ["source", "request", "plan", "output", "encode", "export"], ["Output", "elsewhere"]),
        ("outcome", ["passed", "refused", "failed", "cancelled"], ["fine"]),
        ("format", ["PNG", "JPEG", "WEBP"], ["png", "GIF"]),
    ],
)  # fmt: skip
def test_each_type_ends_where_it_should(field, good, bad):
    for value in good:
        schema.check({**GOOD, field: value})
    for value in bad:
        with pytest.raises(schema.EventRefusedError, match=field):
            schema.check({**GOOD, field: value})


@pytest.mark.parametrize(
    "event",
    [
        {
            "kind": "started",
            "version": "0.1.0",
            "python": "3.11.9",
            "system": "linux",
            "place": "file",
            "weights": {"age": sha(9)},
        },
        {"kind": "erased", "store": "history", "files": 3, "bytes": 100},
        {"kind": "exported", "store": "results", "files": 0},
        {"kind": "swept", "files": 1, "consents": 2},
    ],
)
def test_the_other_kinds(event):
    schema.check(event)
    for name in event:
        if name != "kind":
            with pytest.raises(schema.EventRefusedError):
                schema.check({**event, name: "anna"})


NEEDED = {
    "started": {"version"},
    "decision": {"stage", "outcome"},
    "erased": {"store", "files"},
    "exported": {"store", "files"},
    "swept": {"files", "consents"},
    "segment": {"reason", "before_seq", "before_hash", "key"},
    "checkpoint": {"pruned_to", "hash", "rows", "whole"},
    "consent_given": {"consent", "digest", "basis", "adult"},
    "consent_erased": {"consent", "why"},
    "released": {"result", "pixels", "root"},
}
ROOT = {
    "root_sha256": sha(1),
    "size": [64, 64],
    "scores": {"FACE_MALE": 1.0},
    "nsfw": 0.0,
    "subjects": [{"a": [1, 2.5, None, True]}],
}


def released(**changes):
    return {"kind": "released", "result": sha(1), "pixels": sha(2), "mark": "00" * 6, "root": {**ROOT, **changes}}


def test_a_root_is_numbers():
    schema.check(released(), kinds=schema.OWN)
    schema.check(released(subjects=[], scores={}), kinds=schema.OWN)
    deep = [1]
    for _ in range(schema.MOST_DEPTH - 2):
        deep = [deep]
    schema.check(released(subjects=[{"a": deep}]), kinds=schema.OWN)
    for bad in (
        {"root_sha256": "x"},
        {"size": [64]},
        {"size": [64, 0]},
        {"size": [64, 64, 3]},
        {"size": 64},
        {"scores": {"FACE_MALE": 1.01}},
        {"scores": {"FACE_MALE": -0.01}},
        {"nsfw": float("nan")},
        {"nsfw": 2},
        {"subjects": ["anna"]},
        {"subjects": [[1]]},
        {"subjects": [{"name": "anna"}]},
        {"subjects": [{"anna smith": 1}]},
        {"subjects": [{"a" * 33: 1}]},
        {"subjects": [{5: 1}]},
        {"subjects": [{"a": b"pixels"}]},
        {"subjects": [{"a": [deep]}]},
        {"subjects": {"a": 1}},
        {"name": "anna"},
    ):
        with pytest.raises(schema.EventRefusedError, match="root"):
            schema.check(released(**bad), kinds=schema.OWN)
    for name in ROOT:
        less = {key: value for key, value in ROOT.items() if key != name}
        with pytest.raises(schema.EventRefusedError, match="root"):
            schema.check({**released(), "root": less}, kinds=schema.OWN)
    for kind, needed in NEEDED.items():
        with pytest.raises(schema.EventRefusedError) as refusal:
            schema.check({"kind": kind}, kinds={**schema.OPEN, **schema.OWN})
        assert set(str(refusal.value).partition(": ")[2].split(", ")) == needed
    assert set(NEEDED) == {*schema.OPEN, *schema.OWN}
    with pytest.raises(schema.EventRefusedError):
        schema.check({**released(), "mark": "00" * 5}, kinds=schema.OWN)
    with pytest.raises(schema.EventRefusedError):
        schema.check({**released(), "root": [ROOT]}, kinds=schema.OWN)


def signs(codes: bytes) -> str:
    return base64.b64encode(zlib.compress(codes)).decode()


def test_a_print_of_folds_is_the_one_text_and_is_what_it_says():
    def fits(**document):
        try:
            schema.check(released(subjects=[{"folds": document}]), kinds=schema.OWN)
        except schema.EventRefusedError:
            return False
        return True

    good = bytes([0b10010010, 0b00000101])
    assert fits(size=[4, 2], signs=signs(good))
    assert fits(size=[3, 2], signs=signs(good)), "the last byte may be filled up"
    assert fits(size=[192, 192], signs=signs(bytes(192 * 48)))
    assert not fits(size=[4, 3], signs=signs(good)), "a byte too few"
    assert not fits(size=[4, 1], signs=signs(good)), "a byte too many"
    assert not fits(size=[193, 4], signs=signs(bytes(193)))
    assert not fits(size=[4], signs=signs(good))
    assert not fits(size=[4, 2], signs=good)
    assert not fits(size=[4, 2], signs="Anna Smith")
    assert not fits(size=[4, 2], signs="QW5uYQ==")
    assert not fits(size=[4, 2], signs=signs(good) + "!")
    assert not fits(size=[4, 2], signs=base64.b64encode(zlib.compress(good) + b"Anna").decode())
    assert not fits(size=[4, 2], signs=base64.b64encode(zlib.compress(good)[:-2]).decode())
    assert not fits(size=[4, 2], signs=signs(good), name=1)
    assert not fits(signs=signs(good))
    for place in range(4):
        assert fits(size=[4, 2], signs=signs(bytes([3 << 2 * place, 0])))
        assert fits(size=[4, 2], signs=signs(bytes([2 << 2 * place, 1 << 2 * place])))


def test_a_subject_as_it_is_written_fits(astronaut):
    """The real document, of a person outlined by hand."""
    subject = pytest.importorskip("outfitswap_desktop.safety.people.subject")
    outline = np.zeros(astronaut.shape[:2], np.uint8)
    outline[20:, 60:460] = 255
    document = subject.Subject.from_outline(astronaut, outline).as_json()
    assert document["folds"] is None or "signs" in document["folds"]
    schema.check(released(subjects=[json.loads(json.dumps(document))]), kinds=schema.OWN)
    assert len(schema.canonical(document)) < schema.MOST_BYTES / 4


def test_the_canonical_text_is_one_and_limited():
    assert schema.canonical({"b": 1, "a": [1.5, None], "c": types.MappingProxyType({"z": True})}) == (
        b'{"a":[1.5,null],"b":1,"c":{"z":true}}'
    )
    room = schema.MOST_BYTES - len(schema.canonical({"a": [11]}))
    assert len(schema.canonical({"a": [11] + [1] * (room // 2)})) == schema.MOST_BYTES - room % 2
    with pytest.raises(schema.EventRefusedError, match="131072"):
        schema.canonical({"a": [11] + [1] * (room // 2 + 1)})
    with pytest.raises(schema.EventRefusedError):
        schema.canonical({"a": b"x"})
    with pytest.raises(ValueError, match="JSON"):
        schema.canonical({"a": float("nan")})


def test_a_decision_never_fails_for_a_new_word():
    made = schema.decision(
        "output", "refused", gate="brand_new", reason="never_seen",
        scores={"nsfw": 0.5, "anna": 1.0, "chest_hip": float("nan")},
        picture=sha(1), root=None, marked=True,
    )  # fmt: skip
    assert made == {
        "kind": "decision", "stage": "output", "outcome": "refused", "gate": "other", "reason": "other",
        "scores": {"nsfw": 0.5}, "picture": sha(1), "marked": True,
    }  # fmt: skip
    schema.check(made)
    assert schema.decision("source", "passed", gate="exposure", reason="source_nudity") == {
        "kind": "decision", "stage": "source", "outcome": "passed", "gate": "exposure", "reason": "source_nudity",
    }  # fmt: skip
    assert schema.decision("source", "passed") == {"kind": "decision", "stage": "source", "outcome": "passed"}


def test_the_words_are_those_of_the_other_rooms():
    assert schema.NUDENET == detectors.LABELS
    for group in (stages.SOURCE_GATE_NAMES, stages.REQUEST_GATE_NAMES, stages.OUTPUT_GATE_NAMES):
        assert set(group) <= schema.GATES
    assert set(getattr(stages, "PLAN_GATE_NAMES", ())) <= schema.GATES
    assert set(DENIED) | set(OTHER) <= schema.REASONS
    said = set()
    for path in Path(stages.__file__).parent.glob("*_gates.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "refused":
                said |= {one.value for one in node.args[1:2] if isinstance(one, ast.Constant)}
    assert said <= schema.REASONS, "a gate's reason is logged by its own word"
