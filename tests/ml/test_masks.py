"""YOLO, SAM, MobileSAM and the face networks, wrapped, against the libraries' own predictors with the same random weights."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from outfitswap_desktop.core import refine as grabcut
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.clicks import ClickRefiner
from outfitswap_desktop.ml.detect import YoloDetector, kind_of
from outfitswap_desktop.ml.embedding_cache import EmbeddingCache
from outfitswap_desktop.ml.guard import INSIGHTFACE, YUNET, HeadGuard, InsightFaces, YuNetFaces
from outfitswap_desktop.ml.refine import Prompt, SamRefiner
from outfitswap_desktop.ml.sam import MOBILE, VIT_B, answer, load_mobile, load_vit_b
from tests.ml import tiny_masks as tiny

BOX = (120.0, 190.5, 400.0, 500.0)
POINTS = ((250.0, 300.0, True), (220.5, 80.0, False), (330.0, 410.0, True))


@pytest.fixture(scope="module")
def photo():
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:, :460])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """All the mask steps' weights, tiny, in a store of the real kind."""
    os.environ.setdefault("OUTFITSWAP_HOME", str(tmp_path_factory.mktemp("home")))
    made = tiny.make_store(tmp_path_factory.mktemp("weights"))
    tiny.install(made, "yolo-clothing", best__pt=tiny.write_yolo)
    tiny.install(made, VIT_B, sam_vit_b_01ec64__pth=lambda path: tiny.write_state(path, tiny.sam()))
    tiny.install(made, MOBILE, mobile_sam__pt=lambda path: tiny.write_state(path, tiny.mobile()))
    tiny.install(made, INSIGHTFACE, det_10g__onnx=tiny.write_scrfd)
    tiny.install(made, YUNET, face_detection_yunet_2023mar__onnx=tiny.write_yunet)
    return made


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTFITSWAP_HOME", str(tmp_path))


LOADERS = {VIT_B: partial(load_vit_b, build=tiny.sam), MOBILE: partial(load_mobile, build=tiny.mobile)}


def refiner(store, *ids, cache=None):
    loaders = {weights_id: LOADERS[weights_id] for weights_id in ids or (VIT_B,)}
    return SamRefiner(store, device=tiny.DEVICE, cache=cache or EmbeddingCache(None), loaders=loaders)


def library_boxes(file, photo_file, **settings):
    from ultralytics import YOLO

    (result,) = YOLO(str(file)).predict(str(photo_file), verbose=False, save=False, device="cpu", **settings)
    return result


# --- YOLO --------------------------------------------------------------------------------------------------------------


def test_boxes_are_the_librarys_own(store, photo, tmp_path):
    from PIL import Image

    Image.fromarray(photo).save(tmp_path / "photo.png")
    found = YoloDetector(store, device=tiny.DEVICE, confidence=0.001, overlap=0.7, most=300).detect(photo)
    told = library_boxes(
        store.place("yolo-clothing") / "best.pt", tmp_path / "photo.png", conf=0.001, iou=0.7, max_det=300
    )
    theirs = sorted(zip(told.boxes.conf.tolist(), told.boxes.xyxy.tolist(), told.boxes.cls.tolist(), strict=True))
    ours = sorted((one.confidence, list(one.box), tiny.DEEPFASHION2.index(one.name)) for one in found)
    assert len(ours) == len(theirs) >= 20
    assert len({one.name for one in found}) > 3
    assert len({tuple(round(edge) for edge in box) for _, box, _ in ours}) >= 20
    for (sure, box, name), (their_sure, their_box, their_name) in zip(ours, theirs, strict=True):
        assert name == their_name
        assert sure == pytest.approx(their_sure, abs=1e-5)
        np.testing.assert_allclose(box, their_box, atol=1e-3)


def test_masks_of_a_segmenting_network_are_the_librarys_own(store, photo, tmp_path):
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, "yolo-clothing", best__pt=partial(tiny.write_yolo, task="segment"))
    found = YoloDetector(own, device=tiny.DEVICE, confidence=0.001, most=30).detect(photo)
    from ultralytics import YOLO
    from ultralytics.utils import ops

    network = YOLO(str(own.place("yolo-clothing") / "best.pt"))
    (told,) = network.predict(
        np.ascontiguousarray(photo[..., ::-1]), conf=0.001, iou=0.6, max_det=30, verbose=False, device="cpu"
    )
    whole = ops.scale_masks(told.masks.data[None].float(), photo.shape[:2])[0].numpy() > 0.5
    assert len(found) == len(whole) > 5
    order = np.argsort(-told.boxes.conf.numpy(), kind="stable")
    for one, index in zip(found, order, strict=True):
        mask = one.mask(photo.shape[:2])
        x0, y0, x1, y1 = told.boxes.xyxy[int(index)].tolist()
        cut = np.zeros_like(whole[0])
        window = (slice(int(y0), int(np.ceil(y1))), slice(int(x0), int(np.ceil(x1))))
        cut[window] = whole[index][window]
        assert np.array_equal(mask > 0, cut)


def test_an_onnx_file_finds_the_same_garments(store, photo, tmp_path):
    pt = tmp_path / "best.pt"
    tiny.write_yolo(pt)
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, "yolo-clothing", best__onnx=tiny.export_yolo(pt))
    found = YoloDetector(own, device=tiny.DEVICE, confidence=0.001, most=300).detect(photo)
    told = library_boxes(pt, _saved(photo, tmp_path), conf=0.001, iou=0.6, max_det=300, imgsz=320, rect=False)
    ours, theirs = (np.array(sorted(boxes)) for boxes in ([one.box for one in found], told.boxes.xyxy.tolist()))
    assert len(ours) >= 20
    near = [np.abs(theirs - box).max(axis=1).min() for box in ours]
    assert (
        np.mean(np.array(near) < 0.05) > 0.95
    )  # another runtime's rounding moves a box over the threshold now and then


def _saved(photo, folder):
    from PIL import Image

    path = folder / "photo.png"
    Image.fromarray(photo).save(path)
    return path


def test_classes_become_zones_by_the_catalogue(store):
    kinds = {name: kind_of(name, store.catalogue) for name in tiny.DEEPFASHION2}
    assert all(kind == "garment" for kind, _ in kinds.values())
    assert kinds["long_sleeve_outwear".replace("_", " ")][1] is Zone.OUTER
    assert kinds["skirt"][1] is Zone.BOTTOM
    assert kinds["vest dress"][1] is Zone.DRESS
    assert kind_of("Person", store.catalogue) == ("person", None)
    assert kind_of("Shoes", store.catalogue) == ("other", None)
    assert kind_of("zebra", store.catalogue) == ("other", None)
    assert kind_of("Clothing", store.catalogue) == ("garment", Zone.FULL)


MARKER = Path(tempfile.gettempdir()) / f"outfitswap-code-ran-{os.getpid()}"


class _Evil:
    """Unpickled without care it makes a folder."""

    def __reduce__(self):
        return (os.mkdir, (str(MARKER),))


def _evil(path):
    import torch

    torch.save({"model": _Evil(), "train_args": {}}, path)


def _classifier(path):
    import torch
    from ultralytics.nn.tasks import ClassificationModel, yaml_model_load

    layout = yaml_model_load("yolov8n-cls.yaml")
    layout["scales"] = {"n": [0.33, 0.0625, 64]}
    network = ClassificationModel(layout, nc=3, verbose=False)
    network.task = "classify"
    torch.save({"model": network, "train_args": {}}, path)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (_evil, "library_failed"),
        (lambda path: path.write_bytes(b"no network at all"), "library_failed"),
        (lambda path: path.write_bytes(b""), "library_failed"),
        (_classifier, "weights_unfit"),
    ],
)
def test_a_file_that_is_no_detector_is_one_clear_sentence(tmp_path, photo, write, reason):
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, "yolo-clothing", best__pt=write)
    with pytest.raises(NotAvailable) as caught:
        YoloDetector(own, device=tiny.DEVICE).detect(photo)
    assert caught.value.reason == reason
    assert not MARKER.exists()
    assert "\n" not in caught.value.message
    assert "best.pt" in caught.value.message
    assert caught.value.hint


def test_missing_weights_say_how_to_get_them(tmp_path, photo):
    with pytest.raises(NotAvailable) as caught:
        YoloDetector(tiny.make_store(tmp_path), device=tiny.DEVICE).detect(photo)
    assert caught.value.reason == "weights_missing"
    with pytest.raises(NotAvailable) as caught:
        refiner(tiny.make_store(tmp_path), VIT_B, MOBILE).prepare()
    assert caught.value.reason == "weights_missing"
    assert VIT_B in caught.value.message
    assert MOBILE in caught.value.message


# --- SAM ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [None, BOX])
@pytest.mark.parametrize("points", [(), POINTS[:1], POINTS])
@pytest.mark.parametrize("several", [False, True])
def test_logits_are_the_sam_predictors_own(store, photo, box, points, several):
    from segment_anything import SamPredictor

    if box is None and not points:
        box = (10.0, 20.0, 90.0, 100.0)
    ours = refiner(store).answer(photo, Prompt(box, points), several=several)
    predictor = SamPredictor(tiny.sam())
    predictor.set_image(photo)
    logits, quality, _ = predictor.predict(
        point_coords=np.array([(x, y) for x, y, _ in points]) if points else None,
        point_labels=np.array([int(inside) for *_, inside in points]) if points else None,
        box=np.array(box) if box is not None else None,
        multimask_output=several,
        return_logits=True,
    )
    best = int(np.argmax(quality))
    assert np.ptp(logits[best]) > 0.1
    np.testing.assert_allclose(ours.logits, logits[best], atol=1e-4)
    assert ours.quality == pytest.approx(float(quality[best]), abs=1e-4)


def test_mobile_sam_answers_as_ultralytics_own_predictor(store, photo):
    import torch
    from ultralytics.models.sam import Predictor

    network = load_mobile(store.open(MOBILE), tiny.DEVICE, build=tiny.mobile)
    predictor = Predictor(overrides={"imgsz": 256, "device": "cpu", "save": False, "verbose": False})
    predictor.setup_model(tiny.mobile(), verbose=False)
    blue_first = np.ascontiguousarray(photo[..., ::-1])
    with torch.inference_mode():
        predictor.set_image(blue_first)
        predictor.batch = (["photo"], [blue_first], [""])
        sized = torch.zeros(1, 3, 256, 256)
        places, labels = [[(x, y) for x, y, _ in POINTS]], [[int(inside) for *_, inside in POINTS]]
        low, quality = predictor.prompt_inference(sized, bboxes=[BOX], points=places, labels=labels)
        (told,) = predictor.postprocess((low, torch.ones_like(quality)), sized, [blue_first])
        mine, sure = answer(network, network.encode(photo), photo.shape[:2], box=BOX, points=POINTS, several=False)
        whole = network.enlarge(mine, photo.shape[:2])
    assert float(low.max() - low.min()) > 0.1
    np.testing.assert_allclose(mine.numpy(), low.numpy(), atol=1e-4)
    np.testing.assert_allclose(sure.numpy(), quality.numpy(), atol=1e-4)
    theirs = told.masks.data[0].numpy() > 0
    assert theirs.shape == photo.shape[:2]
    assert np.mean((whole.numpy() > 0) != theirs) < 1e-4
    alone = refiner(store, MOBILE).answer(photo, Prompt(BOX, POINTS))
    np.testing.assert_allclose(alone.logits, whole.numpy(), atol=1e-4)


def test_the_published_network_has_the_same_tensors_in_both_libraries():
    """ultralytics builds ViT-B independently, for the same published file: every key and shape must agree."""
    import torch
    from segment_anything import sam_model_registry
    from ultralytics.models.sam.build import build_sam_vit_b

    with torch.device("meta"):
        ours = sam_model_registry["vit_b"](checkpoint=None).state_dict()
        theirs = build_sam_vit_b().state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in ours.items()}
    assert shapes == {key: tuple(tensor.shape) for key, tensor in theirs.items()}
    assert sum(tensor.numel() for tensor in ours.values()) == pytest.approx(93.7e6, rel=0.01)


def test_a_photo_is_encoded_once(store, photo, tmp_path):
    folder = tmp_path / "embeddings"
    first = refiner(store, cache=EmbeddingCache(folder))
    one = first.answer(photo, Prompt(BOX))
    two = first.answer(photo.copy(), Prompt(None, POINTS))
    assert (first.counters.encodes, first.counters.memory_hits, first.counters.loads) == (1, 1, 1)
    assert not np.array_equal(one.logits, two.logits)

    again = refiner(store, cache=EmbeddingCache(folder))
    assert np.array_equal(again.answer(photo, Prompt(BOX)).logits, one.logits)
    assert (again.counters.encodes, again.counters.disk_hits) == (0, 1)

    other = photo.copy()
    other[0, 0, 0] ^= 1
    again.answer(other, Prompt(BOX))
    assert again.counters.encodes == 1

    (kept, *_) = folder.glob("*.npz")
    whole = kept.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"PK" + b"\0" * 100, whole[:2000] + b"\xff" * 64 + whole[2064:]):
        for path in folder.glob("*.npz"):
            path.write_bytes(broken)
        fresh = refiner(store, cache=EmbeddingCache(folder))
        assert np.array_equal(fresh.answer(photo, Prompt(BOX)).logits, one.logits)
        assert (fresh.counters.encodes, fresh.counters.disk_hits) == (1, 0)


def test_the_cache_stays_within_its_size(tmp_path):
    cache = EmbeddingCache(tmp_path, in_memory=2, on_disk=10_000)
    for number in range(8):
        cache.put(f"{number:04x}", np.full((1, 8, 8, 8), number, np.float32))
        os.utime(tmp_path / f"{number:04x}.npz", (number, number))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert sum((tmp_path / name).stat().st_size for name in left) <= 10_000
    assert left[-1] == "0007.npz"
    assert len(left) >= 3
    assert cache.get("0007")[1] == "memory"
    assert cache.get("0005")[1] == "disk"
    assert cache.get("0000") == (None, "")
    cache.clear()
    assert list(tmp_path.iterdir()) == []


def test_other_weights_are_another_embedding(store, photo, tmp_path):
    folder = tmp_path / "embeddings"
    refiner(store, cache=EmbeddingCache(folder)).answer(photo, Prompt(BOX))
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, VIT_B, sam_vit_b_01ec64__pth=lambda path: tiny.write_state(path, tiny.sam(seed=9)))
    other = refiner(own, cache=EmbeddingCache(folder))
    other.answer(photo, Prompt(BOX))
    assert other.counters.encodes == 1


def test_the_processor_takes_the_small_network_first(store):
    chosen = refiner(store, VIT_B, MOBILE)
    chosen.prepare()
    assert chosen.as_values()["weights"] == MOBILE
    card = SamRefiner(store, device=replace(tiny.DEVICE, kind="cuda"), cache=EmbeddingCache(None), loaders=LOADERS)
    assert list(card._loaders) == [VIT_B, MOBILE]


def test_a_broken_network_gives_way_to_the_other_and_says_so(store, photo, tmp_path):
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, MOBILE, mobile_sam__pt=_evil)
    with pytest.raises(NotAvailable, match="Loading mobile-sam failed"):
        refiner(own, VIT_B, MOBILE).prepare()
    tiny.install(own, VIT_B, sam_vit_b_01ec64__pth=store.place(VIT_B) / "sam_vit_b_01ec64.pth")
    chosen = refiner(own, VIT_B, MOBILE)
    chosen.prepare()
    assert chosen.as_values()["weights"] == VIT_B
    assert len(chosen.reasons) == 1
    chosen.close()
    chosen.answer(photo, Prompt(BOX))
    assert chosen.counters.loads == 2
    assert not MARKER.exists()


def test_clicks_have_the_words_of_grabcut(store, photo, tmp_path):
    by_sam = ClickRefiner(refiner(store))
    protected = np.zeros(photo.shape[:2], np.uint8)
    protected[:200] = 255
    before = np.zeros(photo.shape[:2], np.uint8)
    before[300:, :50] = 255
    box = tuple(int(edge) for edge in BOX)
    made, by = by_sam.refine(photo, box=box, points=(), mask=before, protected=protected)
    whole = refiner(store).answer(photo, Prompt(tuple(map(float, box)))).logits > 0
    expected = before.copy()
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    expected[window] = np.where(whole[window], 255, 0)
    expected[:200] = 0
    assert by == "sam"
    assert expected.any()
    assert np.array_equal(made, expected)
    added, _ = by_sam.refine(photo, box=None, points=((250, 300, True),), mask=before)
    assert np.all(added[before > 0] == 255)
    taken, _ = by_sam.refine(photo, box=None, points=((250, 300, False),), mask=np.full_like(before, 255))
    assert np.array_equal(taken == 0, (added > 0) & ~(before > 0)) or np.all(taken[(added > 0) & (before == 0)] == 0)

    nothing = ClickRefiner(refiner(tiny.make_store(tmp_path / "none")))
    made, by = nothing.refine(photo, box=box, points=(), mask=None)
    assert by == "grabcut"
    assert VIT_B in nothing.reason
    assert np.array_equal(made, grabcut.refine(photo, box=box, points=(), mask=None))


@pytest.mark.gpu
@pytest.mark.parametrize("weights_id", [VIT_B, MOBILE])
def test_a_card_answers_as_the_processor_does(store, photo, weights_id):
    """Half precision of the image encoder moves a mask by a rim of pixels, no more."""
    from outfitswap_desktop.ml.device import find_device

    device = find_device()
    assert device.kind == "cuda"
    loaders = {weights_id: LOADERS[weights_id]}
    card = SamRefiner(store, device=device, cache=EmbeddingCache(None), loaders=loaders)
    one, two = card.answer(photo, Prompt(BOX, POINTS)), refiner(store, weights_id).answer(photo, Prompt(BOX, POINTS))
    np.testing.assert_allclose(one.logits, two.logits, atol=0.02 * np.ptp(two.logits))
    found = YoloDetector(store, device=device, confidence=0.001, most=300).detect(photo)
    known = YoloDetector(store, device=tiny.DEVICE, confidence=0.001, most=300).detect(photo)
    theirs = np.array([other.box for other in known])
    near = [np.abs(theirs - np.array(one.box)).max(axis=1).min() for one in found]
    assert np.mean(np.array(near) < 0.5) > 0.9


# --- faces -------------------------------------------------------------------------------------------------------------


def test_faces_are_the_librarys_own(store, photo):
    import cv2
    from insightface.model_zoo.scrfd import SCRFD

    store.accept(INSIGHTFACE)
    blue_first = np.ascontiguousarray(photo[..., ::-1])
    file = str(store.place(INSIGHTFACE) / "det_10g.onnx")
    theirs, _ = SCRFD(model_file=file, static_shape_sessions=False).detect(blue_first, det_thresh=0.6)
    ours = InsightFaces(store.open(INSIGHTFACE)).faces(photo)
    assert len(ours) == len(theirs) > 20
    np.testing.assert_allclose([(*face.box, face.confidence) for face in ours], theirs, atol=1e-3)

    network = cv2.FaceDetectorYN.create(
        str(store.place(YUNET) / "face_detection_yunet_2023mar.onnx"), "", (photo.shape[1], photo.shape[0]), 0.6, 0.3
    )
    theirs = network.detect(blue_first)[1]
    ours = YuNetFaces(store.open(YUNET)).faces(photo)
    assert len(ours) == len(theirs) > 5
    np.testing.assert_allclose([face.box[:2] for face in ours], theirs[:, :2], atol=1e-3)
    np.testing.assert_allclose([face.box[2] - face.box[0] for face in ours], theirs[:, 2], atol=1e-2)


def test_insightface_is_used_only_with_its_licence(store, tmp_path):
    own = tiny.make_store(tmp_path / "weights")
    tiny.install(own, INSIGHTFACE, det_500m__onnx=store.place(INSIGHTFACE) / "det_10g.onnx")
    tiny.install(own, YUNET, yunet__onnx=store.place(YUNET) / "face_detection_yunet_2023mar.onnx")
    guard = HeadGuard(own)
    assert guard._loaded().name == "yunet"
    own.accept(INSIGHTFACE)
    guard.close()
    assert guard._loaded().name == "insightface"
    assert HeadGuard(tiny.make_store(tmp_path / "none"))._loaded() is None


# --- manners -----------------------------------------------------------------------------------------------------------

ALONE = """
import json, os, sys, pathlib
seen = []
def watch(event, args):
    if event == "subprocess.Popen" and os.path.basename(str(args[0])) in {"ldconfig", "uname"}:
        return  # how Python's own ctypes finds a library, and platform.processor() its answer
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system"}:
        seen.append([event, str(args)[:200]])
    elif event == "open" and isinstance(args[0], str) and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append([event, args[0]])
sys.addaudithook(watch)
import cv2, numpy as np, PIL.Image, torch
opener, saver, threads = PIL.Image.open, torch.save, cv2.getNumThreads()
torch.set_num_threads(1)
from outfitswap_desktop.ml.detect import YoloDetector
from outfitswap_desktop.ml.refine import SamRefiner, Prompt
from outfitswap_desktop.ml.sam import load_mobile, MOBILE
from functools import partial
from tests.ml import tiny_masks as tiny
store = tiny.make_store(pathlib.Path(sys.argv[1]))
photo = np.random.default_rng(1).integers(0, 255, (120, 90, 3), np.uint8)
YoloDetector(store, device=tiny.DEVICE, confidence=0.001).detect(photo)
loaders = {MOBILE: partial(load_mobile, build=tiny.mobile)}
SamRefiner(store, device=tiny.DEVICE, loaders=loaders).answer(photo, Prompt((5., 5., 80., 100.)))
kept = PIL.Image.open is opener and torch.save is saver and cv2.getNumThreads() == threads
left = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")}
print(json.dumps({"seen": seen, "kept": kept, "left": left}))
"""


@pytest.mark.slow
def test_nothing_is_fetched_installed_or_left_in_the_users_home(store, tmp_path):
    """A process of its own with an empty home: no socket, no child process, no file outside the program's own folder."""
    home, own = tmp_path / "user", tmp_path / "own"
    home.mkdir()
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("YOLO", "ULTRALYTICS", "HF_", "XDG", "MPL", "OMP", "CUBLAS"))
    }
    environment = {**kept, "HOME": str(home), "USERPROFILE": str(home), "OUTFITSWAP_HOME": str(own)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(store.folder)],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    outside = [
        one for one in told["seen"] if one[0] != "open" or not (one[1].startswith(str(own)) or one[1] == os.devnull)
    ]
    assert outside == []
    assert list(home.rglob("*")) == []
    assert told["kept"]
    assert set(told["left"].values()) == {None}
    assert len(list((own / "cache" / "embeddings").glob("*.npz"))) == 1
