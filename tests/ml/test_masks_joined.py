"""The mask steps joined: who wears what, which zone it is, what of SAM's answer stays, and the rungs of the ladder."""

import json
from dataclasses import dataclass, field, replace
from functools import partial

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.ladder import Ladder
from outfitswap_desktop.core.regions import Person, ProtectedArea, Region, Segmentation, box_of
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, NobodyFound, NotAvailable
from outfitswap_desktop.ml import joining
from outfitswap_desktop.ml.detect import Detection
from outfitswap_desktop.ml.embedding_cache import EmbeddingCache
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.guard import Face, HeadGuard, head_area, with_heads
from outfitswap_desktop.ml.guarded import GuardedParse
from outfitswap_desktop.ml.refine import Answer, SamRefiner
from outfitswap_desktop.ml.remembered import Remembered
from outfitswap_desktop.ml.sam import MOBILE, VIT_B, load_mobile, load_vit_b
from outfitswap_desktop.ml.segmenter import MlSegmenter, guarded, ml_segmenters
from tests.fakes import FakeSegmenter
from tests.ml import tiny_masks as tiny

SHAPE = (512, 512)
HEAD = (225, 125)


def ellipse(centre, axes):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(mask, (centre, (2 * axes[0], 2 * axes[1]), 0.0), 255, -1)
    return mask


def rectangle(x0, y0, x1, y1):
    mask = np.zeros(SHAPE, np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


BODY = np.maximum(ellipse((225, 420), (170, 230)), ellipse(HEAD, (70, 100)))
HANDS = ellipse((300, 480), (40, 25))


@dataclass
class Parse:
    """A parse of the astronaut drawn by hand: one body, a head, hands; and somebody else to the right."""

    name: str = "parse"
    zones: tuple = (Zone.TOP, Zone.FULL)
    problem: Exception | None = None
    calls: list = field(default_factory=list)

    def segment(self, photo, *, person, zones, cancel):
        self.calls.append(zones)
        if self.problem is not None:
            raise self.problem
        areas = (
            ProtectedArea("head", ellipse(HEAD, (60, 85)), 0.7),
            ProtectedArea("hair", ellipse((225, 70), (70, 50)), 0.7),
            ProtectedArea("hands", HANDS, 0.8),
        )
        worn = ellipse((225, 420), (150, 180))
        for area in areas:
            worn[area.mask > 0] = 0
        wanted = [zone for zone in self.zones if zones is None or zone in zones]
        if not wanted:
            raise NobodyFound("That zone is not there.", reason="no_such_zone")
        persons = (Person(1, box_of(BODY), 0.9), Person(2, (400, 150, 512, 512), 0.8))
        regions = {zone: Region(zone, worn, worn, 0.7) for zone in wanted}
        return Segmentation(self.name, persons, 1, regions, areas, body=BODY)


@dataclass
class Finder:
    finds: tuple = ()
    problem: Exception | None = None
    calls: int = 0
    closed: int = 0

    def detect(self, photo):
        self.calls += 1
        if self.problem is not None:
            with library("Finding garments with YOLO"):
                raise self.problem
        return self.finds

    def as_values(self):
        return {"weights": "yolo-clothing"}

    def close(self):
        self.closed += 1


@dataclass
class Cutter:
    """Says that everything in the middle half of the box is meant, sharply."""

    name: str = "sam"
    quality: float = 0.9
    problem: Exception | None = None
    prompts: list = field(default_factory=list)
    masks: dict = field(default_factory=dict)

    def prepare(self):
        pass

    def answers(self, photo, prompts):
        self.prompts += prompts
        if self.problem is not None:
            with library("Cutting out with SAM"):
                raise self.problem
        made = []
        for prompt in prompts:
            x0, y0, x1, y1 = (int(edge) for edge in prompt.box)
            mask = self.masks.get((x0, y0), rectangle(x0, y0, x1, y1))
            made.append(Answer(np.where(mask > 0, np.float32(6), np.float32(-6)), self.quality))
        return tuple(made)

    def as_values(self):
        return {"weights": "sam-vit-b"}

    def close(self):
        pass


class NoWeights:
    def open(self, weights_id):
        raise NotAvailable(f"The weights {weights_id} are not installed.", reason="weights_missing")


class Faces:
    name = "faces"

    def __init__(self, *faces):
        self.found = faces

    def __call__(self, weights):
        return self

    def faces(self, photo):
        if isinstance(self.found[0], Exception):
            raise self.found[0]
        return self.found


class AnyWeights:
    def open(self, weights_id):
        return None


def garment(zone, box, name="thing", *, sure=0.8, piece=None):
    return Detection(name, "garment", zone, sure, tuple(map(float, box)), piece, (int(box[0]), int(box[1])))


@pytest.fixture(scope="module")
def photo():
    from skimage import data

    return data.astronaut()


def run(photo, finds, *, cutter=None, parse=None, zones=None, guard=None):
    cutter = cutter if cutter is not None else Cutter()
    made = MlSegmenter(
        Remembered(parse or Parse()), Finder(tuple(finds)), refiner=cutter, guard=guard or HeadGuard(NoWeights())
    )
    return made.segment(photo, person=None, zones=zones, cancel=CancelToken())


COAT = garment(Zone.OUTER, (70, 200, 390, 512), "coat")


# --- the joined answer -------------------------------------------------------------------------------------------------


def test_a_cut_out_garment_stays_on_the_body_and_off_head_hair_and_hands(photo):
    found = run(photo, [COAT])
    mask = found.regions[Zone.OUTER].mask
    assert found.segmenter == "yolo+sam"
    assert mask.max() == 255
    assert set(np.unique(mask)) == {0, 255}
    away = cv2.distanceTransform(255 - BODY, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert away[mask > 0].max() <= 0.015 * 512 + 1
    assert not np.any((mask > 0) & (found.protect_mask(SHAPE) > 0))
    assert not np.any(found.regions[Zone.FULL].mask[found.protect_mask(SHAPE) > 0])
    inside = rectangle(70, 200, 390, 512) & BODY & ~found.protect_mask(SHAPE)
    assert np.count_nonzero((mask > 0) & (inside > 0)) > 0.97 * np.count_nonzero(inside)
    region = found.regions[Zone.OUTER]
    assert not np.any(region.alpha[mask == 0])
    assert region.alpha.max() == 255
    assert 0.5 < region.confidence < 0.99


def test_points_lie_in_the_garment_and_on_head_and_hands(photo):
    cutter = Cutter()
    found = run(photo, [COAT], cutter=cutter)
    (prompt,) = cutter.prompts
    inside = [(int(x), int(y)) for x, y, wanted in prompt.points if wanted]
    outside = [(int(x), int(y)) for x, y, wanted in prompt.points if not wanted]
    worn = Parse().segment(photo, person=None, zones=None, cancel=None).regions[Zone.FULL].mask
    assert 1 <= len(inside) <= 3
    assert all(worn[y, x] for x, y in inside)
    assert len(outside) >= 2
    assert all(found.protect_mask(SHAPE)[y, x] for x, y in outside)
    assert any(HANDS[y, x] for x, y in outside)


def test_several_finds_of_one_zone_are_one_region(photo):
    left, right = garment(Zone.TOP, (90, 260, 200, 480)), garment(Zone.TOP, (250, 260, 360, 460))
    mask = run(photo, [left, right]).regions[Zone.TOP].mask
    assert mask[350, 150] and mask[350, 320]  # noqa: PT018
    assert not mask[350, 225]


def test_what_somebody_else_wears_is_left_alone(photo):
    other = garment(Zone.TOP, (400, 200, 510, 500), "their shirt")
    found = run(photo, [COAT, other])
    assert not found.regions[Zone.OUTER].mask[:, 420:].any()
    assert [one["name"] for one in found.diagnostics["not_used"]] == ["their shirt"]


def test_of_two_overlapping_persons_the_silhouette_decides():
    boxes = ((50.0, 50.0, 300.0, 500.0), (100.0, 50.0, 350.0, 500.0))
    shirt = garment(Zone.TOP, (120, 200, 290, 400))
    behind = rectangle(60, 60, 110, 500)
    before = rectangle(110, 60, 340, 500)
    assert joining.worn_by(shirt, boxes, chosen=1, body=before)
    assert not joining.worn_by(shirt, boxes, chosen=0, body=behind)
    assert not joining.worn_by(garment(Zone.TOP, (280, 200, 350, 400)), boxes, chosen=0, body=None)
    half_theirs = garment(Zone.TOP, (150, 200, 340, 400))
    assert not joining.worn_by(half_theirs, boxes, chosen=0, body=None)
    assert joining.worn_by(half_theirs, boxes, chosen=1, body=None)


def test_a_yolo_person_widens_the_box_of_the_same_person_alone():
    persons = (Person(1, (10, 10, 100, 200), 0.9), Person(2, (200, 10, 300, 200), 0.9))
    seen = (Detection("person", "person", None, 0.9, (5.0, 5.0, 110.0, 260.0)),)
    assert joining.person_boxes(persons, seen) == ((5.0, 5.0, 110.0, 260.0), (200.0, 10.0, 300.0, 200.0))


def test_a_class_that_says_only_clothes_gets_its_zone_by_place():
    top, bottom = rectangle(100, 100, 300, 250), rectangle(110, 250, 290, 480)
    regions = {
        Zone.TOP: Region(Zone.TOP, top, top, 0.9),
        Zone.BOTTOM: Region(Zone.BOTTOM, bottom, bottom, 0.9),
        Zone.FULL: Region(Zone.FULL, top | bottom, top | bottom, 0.9),
    }
    finds = [garment(Zone.FULL, (95, 95, 305, 260)), garment(Zone.FULL, (100, 240, 300, 490))]
    placed = joining.by_zone(finds, regions)
    assert placed == {Zone.TOP: [finds[0]], Zone.BOTTOM: [finds[1]]}
    named = garment(Zone.DRESS, (96, 96, 305, 255))
    assert joining.by_zone([*finds, named], regions) == {Zone.DRESS: [named], Zone.BOTTOM: [finds[1]]}


def test_a_zone_that_yolo_does_not_find_keeps_the_parse_and_says_so(photo):
    found = run(photo, [COAT])
    parsed = Parse().segment(photo, person=None, zones=None, cancel=None)
    assert np.array_equal(found.regions[Zone.TOP].mask, parsed.regions[Zone.TOP].mask)
    assert any("no garment for top" in note for note in found.notes)
    nothing = run(photo, [])
    assert set(nothing.regions) == set(parsed.regions)
    assert any("top" in note for note in nothing.notes)


def test_a_zone_that_only_yolo_finds_is_found(photo):
    found = run(photo, [COAT], zones=frozenset({Zone.OUTER}))
    assert set(found.regions) == {Zone.OUTER}
    with pytest.raises(NobodyFound) as caught:
        run(photo, [COAT], zones=frozenset({Zone.DRESS}))
    assert caught.value.reason == "no_such_zone"


@pytest.mark.parametrize(
    ("quality", "mask"), [(0.2, None), (0.9, rectangle(70, 200, 75, 210)), (0.9, np.zeros(SHAPE, np.uint8))]
)
def test_an_answer_that_cannot_be_is_not_taken(photo, quality, mask):
    cutter = Cutter(quality=quality, masks={} if mask is None else {(70, 200): mask})
    found = run(photo, [COAT], cutter=cutter)
    assert any("SAM found no clear outline for coat" in note for note in found.notes)
    assert [one["by"] for one in found.diagnostics["garments"]] == ["box"]
    worn = Parse().segment(photo, person=None, zones=None, cancel=None).regions[Zone.FULL].mask & rectangle(
        70, 200, 390, 512
    )
    got = found.regions[Zone.OUTER].mask
    assert np.count_nonzero(got != worn) < 0.01 * np.count_nonzero(worn)


def test_a_segmenting_network_without_sam_gives_its_own_mask(photo):
    piece = ellipse((225, 380), (100, 100))[200:512, 70:390]
    segmenter = MlSegmenter(
        Remembered(Parse()),
        Finder((replace(COAT, piece=piece),)),
        refiner=None,
        guard=HeadGuard(NoWeights()),
    )
    found = segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    mask = found.regions[Zone.OUTER].mask
    whole = ellipse((225, 380), (100, 100))
    whole[found.protect_mask(SHAPE) > 0] = 0
    assert found.segmenter == "yolo"
    assert np.count_nonzero((mask > 0) & (whole > 0)) > 0.97 * np.count_nonzero((mask > 0) | (whole > 0))


def test_pixels_that_two_zones_claim_go_to_one(photo):
    top, bottom = garment(Zone.TOP, (90, 220, 360, 420)), garment(Zone.BOTTOM, (90, 380, 360, 512))
    found = run(photo, [top, bottom])
    assert not np.any((found.regions[Zone.TOP].mask > 0) & (found.regions[Zone.BOTTOM].mask > 0))
    union = found.regions[Zone.TOP].mask | found.regions[Zone.BOTTOM].mask
    assert not np.any((union > 0) & (found.regions[Zone.FULL].mask == 0))


def test_diagnostics_are_plain_values(photo):
    finds = [COAT, Detection("Shoes", "other", None, 0.5, (0.0, 0.0, 9.0, 9.0))]
    told = json.loads(json.dumps(run(photo, finds).diagnostics))
    assert told["rung"] == "yolo+sam"
    assert told["parse"] == "parse"
    assert {"detect", "guard", "refine"} <= set(told["seconds"])
    (used,) = told["garments"]
    assert (used["name"], used["worn_as"], used["by"], used["confidence"]) == ("coat", "outer", "sam", 0.8)
    assert used["box"] == [70.0, 200.0, 390.0, 512.0]
    assert [one["name"] for one in told["not_used"]] == ["Shoes"]


# --- heads -------------------------------------------------------------------------------------------------------------


def test_a_face_widens_the_head_and_hair_is_part_of_it(photo):
    face = Face((195.0, 110.0, 285.0, 215.0), 0.93)
    guard = HeadGuard(AnyWeights(), finders={"faces": Faces(face)})
    found = run(photo, [COAT], guard=guard)
    head = next(area for area in found.protected if area.name == "head")
    before = Parse().segment(photo, person=None, zones=None, cancel=None).protected
    assert np.all(head.mask[before[0].mask > 0] == 255)
    assert np.all(head.mask[before[1].mask > 0] == 255)
    assert np.all(head.mask[head_area(face, SHAPE) > 0] == 255)
    assert head.confidence == 0.93
    assert {area.name for area in found.protected} == {"head", "hair", "hands"}
    assert not np.any(found.regions[Zone.OUTER].mask[head_area(face, SHAPE) > 0])


def test_a_printed_face_is_not_a_head(photo):
    print_on_chest = Face((200.0, 330.0, 260.0, 400.0), 0.9)
    guard = HeadGuard(AnyWeights(), finders={"faces": Faces(print_on_chest)})
    found = run(photo, [COAT], guard=guard)
    assert found.regions[Zone.OUTER].mask[365, 230]
    assert found.diagnostics["guard"]["faces"][0]["used"] is False


def test_a_head_reaches_from_crown_to_chin():
    face = Face((100.0, 100.0, 180.0, 200.0), 0.9)
    x0, y0, x1, y1 = box_of(head_area(face, SHAPE))
    assert 60 <= y0 <= 68 and 200 <= y1 <= 206  # noqa: PT018
    assert x0 < 92 and x1 > 188  # noqa: PT018
    (only,) = with_heads((), (face,), SHAPE)
    assert only.name == "head"


def test_a_finder_that_fails_leaves_the_parse_and_a_sentence(photo):
    guard = HeadGuard(
        AnyWeights(), finders={"faces": Faces(NotAvailable("Finding faces failed: no.", reason="library_failed"))}
    )
    found = run(photo, [COAT], guard=guard)
    assert found.fallbacks == ("Finding faces failed: no.",)
    assert {area.name for area in found.protected} == {"head", "hair", "hands"}


def test_a_face_network_alone_guards_the_parse(photo):
    face = Face((195.0, 110.0, 285.0, 260.0), 0.93)
    parse = Parse()
    segmenter = GuardedParse(parse, HeadGuard(AnyWeights(), finders={"faces": Faces(face)}))
    plain = parse.segment(photo, person=None, zones=None, cancel=None)
    found = segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    head = head_area(face, SHAPE) > 0
    assert found.segmenter == "parse+faces"
    assert np.any(plain.regions[Zone.TOP].mask[head])
    assert not np.any(found.regions[Zone.TOP].mask[head])
    assert not np.any(found.regions[Zone.TOP].alpha[head])
    assert np.array_equal(found.regions[Zone.TOP].mask[~head], plain.regions[Zone.TOP].mask[~head])
    assert found.diagnostics["guard"]["faces"][0]["used"] is True


def test_without_a_face_network_there_is_no_such_rung(photo, tmp_path):
    guard = HeadGuard(NoWeights())
    assert guarded(Parse(), guard, tiny.make_store(tmp_path)) == ()
    with pytest.raises(NotAvailable):
        GuardedParse(Parse(), guard).segment(photo, person=None, zones=None, cancel=CancelToken())


# --- the ladder --------------------------------------------------------------------------------------------------------


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def ladder(detector, cutter, parse):
    remembered = Remembered(parse)
    guard = HeadGuard(NoWeights())
    full = MlSegmenter(remembered, detector, refiner=cutter, guard=guard)
    boxes = MlSegmenter(remembered, detector, refiner=None, guard=guard)
    return Ladder((full, boxes, remembered, FakeSegmenter("opencv")))


def climb(ladder, photo, **options):
    return ladder.segment(photo, person=None, zones=None, cancel=options.get("cancel") or CancelToken())


def test_sam_out_of_memory_goes_on_without_sam(photo):
    parse = Parse()
    found = climb(
        ladder(Finder((COAT,)), Cutter(problem=OutOfMemoryError("CUDA out of memory. Tried to ...")), parse), photo
    )
    assert found.segmenter == "yolo"
    assert found.fallbacks == ("yolo+sam: Cutting out with SAM ran out of memory.",)
    assert found.diagnostics["garments"][0]["by"] == "box"
    assert len(parse.calls) == 1


def test_a_parse_is_not_kept_once_it_was_used(photo):
    parse = Parse()
    remembered = Remembered(parse)
    segmenter = MlSegmenter(remembered, Finder((COAT,)), refiner=Cutter(), guard=HeadGuard(NoWeights()))
    segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    remembered.segment(photo, person=None, zones=None, cancel=CancelToken())
    remembered.segment(photo, person=None, zones=None, cancel=CancelToken())
    assert len(parse.calls) == 2


def test_a_failing_detector_leaves_the_embedded_parse(photo):
    parse = Parse()
    found = climb(ladder(Finder(problem=ValueError("ERROR ❌ bad\nTraceback")), Cutter(), parse), photo)
    assert found.segmenter == "parse"
    assert found.fallbacks == ("yolo+sam, yolo: Finding garments with YOLO failed: bad.",)


def test_nobody_in_the_parse_leaves_opencv_and_parses_once(photo):
    parse = Parse(problem=NobodyFound("No person was found.", reason="nobody_found"))
    found = climb(ladder(Finder((COAT,)), Cutter(), parse), photo)
    assert found.segmenter == "opencv"
    assert found.fallbacks == ("yolo+sam, yolo, parse: No person was found.",)
    assert len(parse.calls) == 1


def test_a_cancel_passes_through_every_rung(photo):
    token = CancelToken()

    class Cancelling(Cutter):
        def answers(self, photo, prompts):
            token.set()
            return super().answers(photo, prompts)

    parse = Parse()
    with pytest.raises(Cancelled):
        climb(ladder(Finder((COAT,)), Cancelling(), parse), photo, cancel=token)
    with pytest.raises(Cancelled), library("Anything"):
        raise Cancelled


def test_real_networks_on_every_rung(photo, tmp_path, monkeypatch):
    """Tiny random weights in a real store: full, then one file after the other broken or gone, until OpenCV is left."""
    monkeypatch.setenv("OUTFITSWAP_HOME", str(tmp_path / "home"))
    store = tiny.make_store(tmp_path / "weights")
    tiny.install(store, "yolo-clothing", best__pt=tiny.write_yolo)
    tiny.install(store, VIT_B, sam__pth=lambda path: tiny.write_state(path, tiny.sam()))
    loaders = {VIT_B: partial(load_vit_b, build=tiny.sam), MOBILE: partial(load_mobile, build=tiny.mobile)}
    parse, cascade = Parse(), FakeSegmenter("opencv")

    def rungs():
        refiner = SamRefiner(store, device=tiny.DEVICE, cache=EmbeddingCache(None), loaders=loaders)
        made = ml_segmenters((parse, cascade), store, tiny.DEVICE, refiner=refiner)
        for rung in made[:2]:
            rung._detector._settings["conf"] = 0.001  # random networks are sure of nothing
        return made, refiner

    made, refiner = rungs()
    first = climb(Ladder(made), photo)
    assert first.segmenter == "yolo+sam"
    assert first.fallbacks == ()
    assert refiner.counters.encodes == 1
    assert first.diagnostics["detector"]["classes"][0] == tiny.DEEPFASHION2[0]
    assert first.diagnostics["refiner"]["weights"] == VIT_B
    assert first.diagnostics["garments"]
    assert not np.any([(r.mask > 0) & (first.protect_mask(SHAPE) > 0) for r in first.regions.values()])
    again = climb(Ladder(made), photo)
    assert refiner.counters.encodes == 1
    assert refiner.counters.loads == 1
    assert all(np.array_equal(again.regions[zone].mask, first.regions[zone].mask) for zone in first.regions)
    for rung in made[:3]:
        rung.close()
    assert climb(Ladder(made), photo).segmenter == "yolo+sam"
    assert refiner.counters.loads == 2

    tiny.install(store, VIT_B, sam__pth=lambda path: path.write_bytes(b"broken"))
    found = climb(Ladder(rungs()[0]), photo)
    assert found.segmenter == "yolo"
    assert len(found.fallbacks) == 1
    assert "Loading sam-vit-b failed" in found.fallbacks[0]

    (store.place("yolo-clothing") / "best.pt").unlink()
    tiny.install(store, VIT_B, sam__pth=lambda path: tiny.write_state(path, tiny.sam()))
    found = climb(Ladder(rungs()[0]), photo)
    assert found.segmenter == "parse"
    assert "yolo+sam, yolo: The weights yolo-clothing are damaged" in found.fallbacks[0]

    parse.problem = NobodyFound("No person was found.", reason="nobody_found")
    found = climb(Ladder(rungs()[0]), photo)
    assert found.segmenter == "opencv"
    assert len(found.fallbacks) == 2
