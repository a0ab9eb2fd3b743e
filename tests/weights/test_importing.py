"""Files of the user's own: by hash, or for detectors and refiners by structure; everything else is refused in one sentence."""

import collections
import io
import json
import os
import pickle
import struct
import zipfile

import pytest

from outfitswap_desktop.errors import InputRefused, KnownError, NotAvailable
from outfitswap_desktop.weights.importing import Importer
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.pickles import BadPickle, names_in, refuse_strangers
from outfitswap_desktop.weights.structure import look_at
from tests.weights.conftest import FILES, SAM, UNET, Never
from tests.weights.hub import sha256


@pytest.fixture
def importer(store):
    return Importer(store, Network())


def take(importer, weights_id, source, *, yes=False, ask=False):
    look = importer.look(weights_id, source, cancel=Never(), ask=ask)
    return importer.take(look, yes=yes, cancel=Never(), report=lambda _size: None)


def refused(call, *reasons):
    with pytest.raises(KnownError) as told:
        call()
    problem = told.value
    assert problem.reason in reasons, (problem.reason, problem.message)
    assert problem.message.endswith(".")
    assert "\n" not in problem.message
    assert problem.hint
    return problem


def checkpoint(path, description, *, method=zipfile.ZIP_STORED, extra=(), values=b"\0" * 4000):
    """A file in the layout of torch.save."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", description)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", values)
        for name, content in extra:
            archive.writestr(name, content)
    return path


def described(*names, protocol=2):
    """A pickle that looks up names without any of them being there."""
    out = io.BytesIO()
    out.write(pickle.PROTO + bytes([protocol]))
    for name in names:
        module, _, attribute = name.rpartition(".")
        out.write(pickle.GLOBAL + module.encode() + b"\n" + attribute.encode() + b"\n" + pickle.POP)
    out.write(pickle.EMPTY_DICT + pickle.STOP)
    return out.getvalue()


GOOD = described("collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage")


def safetensors(*, header=None, cut=0):
    values = struct.pack("<4f", 1, 2, 3, 4)
    said = json.dumps(header or {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    whole = struct.pack("<Q", len(said)) + said + values
    return whole[: len(whole) - cut]


def field(number, content):
    length = len(content)
    out = bytes([number << 3 | 2])
    while length > 0x7F:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return out + bytes([length]) + content


def onnx(*, external=False):
    tensor = field(8, b"w") + field(9, b"\0" * 300) + (field(13, field(1, b"location")) if external else b"")
    return b"\x08\x07" + field(7, field(1, field(4, b"Conv")) + field(5, tensor))


# by hash


def test_a_folder_with_the_hubs_own_files(hub, store, importer, tmp_path, get):
    get("tiny")
    store.remove("tiny")
    hub.seen.clear()
    source = tmp_path / "stick" / "tiny"
    for path, content in FILES.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    assert take(importer, "tiny", source) == "installed"
    assert hub.seen == []
    found = store.open("tiny")
    assert (found.folder / "unet/diffusion.fp16.safetensors").read_bytes() == UNET
    assert not (found.folder / "README.md").exists()
    assert json.loads((found.folder / "weights.json").read_text())["origin"] == "file"


def test_files_are_known_by_their_hash_whatever_their_names(store, importer, tmp_path, get):
    get("tiny")
    store.remove("tiny")
    source = tmp_path / "flat"
    source.mkdir()
    for number, content in enumerate(FILES.values()):
        (source / f"{number}.bin").write_bytes(content)
    assert take(importer, "tiny", source) == "installed"


def test_one_file_of_several_is_kept_for_the_download(hub, store, importer, tmp_path, get):
    source = tmp_path / "unet.safetensors"
    source.write_bytes(UNET)
    assert take(importer, "tiny", source, ask=True) == "partial"
    assert store.state("tiny") == "partial"
    get("tiny")
    assert not [seen for seen in hub.downloads() if "unet/diffusion" in seen.path]


def test_hashes_that_nobody_knows_here(hub, importer, tmp_path):
    source = tmp_path / "unet.safetensors"
    source.write_bytes(UNET)
    problem = refused(lambda: take(importer, "tiny", source), "hash_unknown")
    assert "--ask-hub" in problem.hint
    assert hub.seen == []


def test_another_fine_tune_is_no_generator(importer, tmp_path, hub):
    source = tmp_path / "unet.safetensors"
    source.write_bytes(safetensors())
    refused(lambda: take(importer, "tiny", source, ask=True, yes=True), "wrong_hash")
    source.write_bytes(UNET[:-1])
    refused(lambda: take(importer, "tiny", source, ask=True, yes=True), "wrong_hash")


def test_a_file_that_changes_while_it_is_copied(store, importer, tmp_path):
    source = tmp_path / "plain.pth"
    source.write_bytes(SAM)
    look = importer.look("plain", source, cancel=Never())
    source.write_bytes(SAM[::-1])
    refused(lambda: importer.take(look, cancel=Never(), report=lambda _size: None), "wrong_hash")
    assert store.state("plain") != "installed"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_are_not_followed(importer, tmp_path):
    (tmp_path / "real.pth").write_bytes(SAM)
    link = tmp_path / "plain.pth"
    link.symlink_to(tmp_path / "real.pth")
    refused(lambda: take(importer, "plain", link), "unreadable")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "plain.pth").symlink_to(tmp_path / "real.pth")
    refused(lambda: take(importer, "plain", folder, yes=True), "unknown_kind")


def test_a_licence_is_asked_for_here_too(store, importer, tmp_path, get, hub):
    source = tmp_path / "guard.onnx"
    source.write_bytes(b"\x08\x07guard")
    refused(lambda: take(importer, "strict", source, ask=True), "licence_not_accepted")
    store.accept("strict")
    assert take(importer, "strict", source, ask=True) == "installed"


# by structure


def test_a_refiner_of_ones_own_is_asked_about_first(store, importer, tmp_path):
    source = checkpoint(tmp_path / "mine.pth", GOOD)
    problem = refused(lambda: take(importer, "plain", source), "not_asked")
    assert "mine.pth" in problem.message
    assert take(importer, "plain", source, yes=True) == "installed"
    found = store.open("plain")
    assert found.hashes == {"plain.pth": sha256(source.read_bytes())}
    assert json.loads((found.folder / "weights.json").read_text())["origin"] == "structure"


def test_a_closer_look_may_refuse(store, tmp_path):
    def classes(_weights, _path):
        raise InputRefused("It finds no garments.", reason="no_garments", hint="Take another.")

    source = checkpoint(tmp_path / "mine.pth", GOOD)
    one = Importer(store, Network(), check=classes)
    refused(lambda: take(one, "plain", source, yes=True), "no_garments")
    assert store.state("plain") == "missing"
    two = Importer(store, Network(), check=lambda _weights, _path: "13 classes of garments")
    assert "13 classes" in two.look("plain", source, cancel=Never()).asked


def test_other_formats(store, importer, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(onnx())
    assert take(importer, "plain", tmp_path / "mine.onnx", yes=True) == "installed"
    assert list(store.open("plain").hashes) == ["plain.onnx"]
    (tmp_path / "mine.safetensors").write_bytes(safetensors())
    assert take(importer, "plain", tmp_path / "mine.safetensors", yes=True) == "installed"
    assert list(store.open("plain").hashes) == ["plain.safetensors"], "one takes the place of the other"


class Evil:
    def __reduce__(self):
        return os.system, ("echo never",)


STRANGERS = {
    "reduce": pickle.dumps({"a": Evil()}, protocol=2),
    "protocol 4": pickle.dumps({"a": Evil()}, protocol=4),
    "protocol 5": pickle.dumps({"a": Evil()}, protocol=5),
    "protocol 0": pickle.dumps({"a": Evil()}, protocol=0),
    "getattr": described("builtins.getattr"),
    "eval": described("builtins.eval"),
    "torch's own loader": described("torch.load"),
    "a long way round": described("torch.nn.modules.module.os.system"),
    "hidden name": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940\x8c\x06systemh\x00\x93.",
    "computed name": b"\x80\x04]\x94\x8c\x02os\x8c\x06system\x86\x93.",
    "inst": b"\x80\x02(ios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
}


@pytest.mark.parametrize("name", STRANGERS)
def test_pickles_that_call_what_weights_have_no_need_of(importer, store, tmp_path, name):
    source = checkpoint(tmp_path / "mine.pth", STRANGERS[name])
    problem = refused(lambda: take(importer, "plain", source, yes=True), "unknown_pickle", "damaged_file")
    assert "refused" in problem.message
    assert store.state("plain") == "missing"


def test_names_are_read_from_every_protocol():
    value = {"a": collections.OrderedDict(b=1), "c": collections.OrderedDict}
    for protocol in range(6):
        made = pickle.dumps(value, protocol=protocol)
        assert set(names_in(io.BytesIO(made))) <= {
            "collections.OrderedDict", "copy_reg._reconstructor", "copyreg._reconstructor", "__builtin__.dict",
        }  # fmt: skip
        assert "collections.OrderedDict" in set(names_in(io.BytesIO(made)))


def test_a_detector_may_name_getattr_because_its_loader_watches_it():
    made = described("__builtin__.getattr", "ultralytics.nn.tasks.DetectionModel", "ultralytics.nn.modules.block.C2f")
    assert len(refuse_strangers(io.BytesIO(made), detector=True)) == 3
    with pytest.raises(BadPickle, match="getattr"):
        refuse_strangers(io.BytesIO(made), detector=False)


def test_checkpoints_that_are_no_plain_ones(importer, tmp_path):
    def one(**changes):
        return checkpoint(tmp_path / "mine.pth", changes.pop("description", GOOD), **changes)

    def refuse(reason):
        return refused(lambda: take(importer, "plain", tmp_path / "mine.pth", yes=True), reason)

    one(extra=[("../../outside.txt", b"x")])
    refuse("unsafe_file")
    one(extra=[("archive/../../x", b"x")])
    refuse("unsafe_file")
    one(extra=[("archive/code/model.py", b"import os")])
    refuse("unsafe_file")
    one(extra=[("archive/other.pkl", STRANGERS["reduce"])])
    refuse("unsafe_file")
    one(method=zipfile.ZIP_DEFLATED, values=b"\0" * 50_000_000)
    assert (tmp_path / "mine.pth").stat().st_size < 1_000_000, "a bomb"
    refuse("unsafe_file")
    one(description=GOOD[:-20])
    refuse("damaged_file")
    whole = one().read_bytes()
    (tmp_path / "mine.pth").write_bytes(whole[:-100])
    refuse("damaged_file")
    (tmp_path / "mine.pth").write_bytes(whole.replace(b"\0" * 100, b"\1" * 100, 1))
    refuse("damaged_file")
    (tmp_path / "mine.pth").write_bytes(b"\x80\x02}q\x00.")
    refuse("damaged_file")
    (tmp_path / "mine.pth").write_bytes(b"")
    refuse("damaged_file")


def test_a_checkpoint_in_the_old_format(tmp_path):
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    rest = pickle.dumps(1001, protocol=2) + pickle.dumps({"little_endian": True}, protocol=2)
    keys = pickle.dumps(["0"], protocol=2)
    good = tmp_path / "old.pth"
    good.write_bytes(magic + rest + GOOD + keys + b"\0" * 100)
    assert "old format" in look_at(good).said
    good.write_bytes(magic + rest + STRANGERS["reduce"] + keys + b"\0" * 100)
    refused(lambda: look_at(good), "unknown_pickle")
    good.write_bytes(magic + rest + GOOD + keys)
    refused(lambda: look_at(good), "damaged_file")


BROKEN = [
    safetensors(cut=1),
    safetensors(cut=20),
    safetensors() + b"x",
    b"",
    struct.pack("<Q", 2**60) + b"{}",
    safetensors(header={"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 8]}}),
    safetensors(header={"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [4, 20]}}),
    safetensors(header={"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}),
    safetensors(header={"a": [1]}),
]


@pytest.mark.parametrize("content", BROKEN)
def test_safetensors_that_are_none(tmp_path, content):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(content)
    refused(lambda: look_at(path), "damaged_file")


def test_onnx_that_is_cut_off_or_takes_values_from_elsewhere(tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx())
    assert look_at(path).said == "a network of 1 nodes"
    for cut in (1, 100, 305):
        path.write_bytes(onnx()[:-cut])
        refused(lambda: look_at(path), "damaged_file")
    path.write_bytes(onnx(external=True))
    refused(lambda: look_at(path), "unsafe_file")


def test_no_kind_of_weights(importer, tmp_path):
    source = tmp_path / "mine.ckpt"
    source.write_bytes(GOOD)
    refused(lambda: take(importer, "plain", source, yes=True), "unknown_kind")
    refused(lambda: take(importer, "plain", tmp_path / "nothing", yes=True), "unreadable")
    for name in ("a.pt", "b.pt"):
        (tmp_path / "two").mkdir(exist_ok=True)
        checkpoint(tmp_path / "two" / name, GOOD)
    refused(lambda: take(importer, "plain", tmp_path / "two", yes=True), "unknown_kind")


def test_no_room(store, importer, tmp_path, monkeypatch):
    import shutil

    source = checkpoint(tmp_path / "mine.pth", GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(NotAvailable, match="disk"):
        take(importer, "plain", source, yes=True)
