"""The embedded segmenter: one photo in, persons, garment zones, protected areas and body axes out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Bool
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import BodyAxis, Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.parse import bare, labelling, limbs, parts, persons, protect, refine, seeds, skeleton
from outfitswap_desktop.embedded.parse.body import overlap, silhouette
from outfitswap_desktop.embedded.parse.exposure import lifted
from outfitswap_desktop.embedded.parse.frame import Frame, cut_frame
from outfitswap_desktop.embedded.parse.garments import Garments, find_garments
from outfitswap_desktop.embedded.parse.headless import likely
from outfitswap_desktop.embedded.parse.joints import body_pose
from outfitswap_desktop.embedded.parse.labelling import Labelling
from outfitswap_desktop.embedded.parse.parallel import two_at_a_time
from outfitswap_desktop.embedded.parse.parts import Figure
from outfitswap_desktop.embedded.parse.persons import Candidate
from outfitswap_desktop.embedded.parse.smooth import stretches
from outfitswap_desktop.embedded.parse.solutions import Pose, Solutions
from outfitswap_desktop.errors import NobodyFound

MARGIN = 0.08
LEAST_AREA = 0.10
"""A zone smaller than this share of the squared shoulder width is not offered."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """All that the work frame told about one person."""

    frame: Frame
    figure: Figure
    person: F32
    state: Labelling
    garments: Garments
    agreement: float


class MediaPipeSegmenter:
    """Segmenter without downloads: MediaPipe's bundled networks and a joint colour labelling.

    The networks are built at the first photo and kept. Not safe for two threads at once.
    """

    name = "mediapipe"

    def __init__(self) -> None:
        self._solutions = Solutions()

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """See core.steps.Segmenter. `photo` (H, W, 3) sRGB uint8."""
        photo = lifted(photo)
        look, scale = persons.look_picture(photo)
        found = persons.find_persons(self._solutions, look)
        cancel.check()
        if not found:
            raise NobodyFound(
                "No person was found in this photo.",
                reason="nobody_found",
                hint="Draw the mask yourself and pass it with --mask, or take a photo that shows the person larger.",
            )
        index = _choose(found, person)
        reading = self._read(photo, look, scale, found=found, index=index, cancel=cancel)
        cancel.check()
        areas = _protected(photo, reading)
        cancel.check()
        regions = _regions(photo, reading, zones=zones, areas=areas)
        if not regions:
            _no_such_zone(photo, reading, areas)
        body = refine.full_mask(photo, reading.frame, reading.person, exact=False)
        return Segmentation(
            segmenter=self.name,
            persons=tuple(_person(i, one, scale) for i, one in enumerate(found)),
            person=index + 1,
            regions=regions,
            protected=areas,
            axes=_axes(reading),
            body=body,
            notes=_notes(reading, found=found, person=person, regions=regions),
            pose=body_pose(reading.figure, reading.frame, (photo.shape[0], photo.shape[1])),
        )

    def close(self) -> None:
        """Give the networks' memory back; the next photo builds them anew."""
        self._solutions.close()

    def _read(
        self, photo: RGB, look: RGB, scale: float, *, found: list[Candidate], index: int, cancel: CancelToken
    ) -> Reading:
        chosen = found[index]
        frame = cut_frame(photo, _frame_box(chosen, look.shape, scale))
        shrink = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5], [0, 0, 1]])
        whole = np.vstack([frame.matrix, [0, 0, 1]]) @ np.linalg.inv(shrink)
        view = Frame(frame.picture, whole[:2])
        pose = Pose(view.from_photo(chosen.pose.points), chosen.pose.seen, view.cut(chosen.pose.mask))
        pose = self._second_look(frame.picture, pose, face=chosen.face is not None)
        selfie = self._solutions.selfie(frame.picture)
        cancel.check()
        rest = [view.cut(persons.claimed(one)) for i, one in enumerate(found) if i != index]
        others = np.max(rest, axis=0) if rest else None
        unit = skeleton.body_scale(pose)
        person = silhouette(frame.picture, pose.mask, selfie, others=others, unit=unit, faceless=chosen.face is None)
        figure = Figure(pose.points, pose.seen, unit, frame.picture.shape[:2])
        figure = self._details(frame.picture, figure)
        figure = replace(figure, headless=chosen.face is None and _headless(figure, person))
        figure = replace(figure, near_head=self._near_head(frame.picture, figure))
        part_map = parts.part_map(figure)
        prior = parts.label_prior(figure, part_map, person)
        samples = seeds.first_samples(figure, labelling.lab_of(frame.picture), person)
        bare.apply(prior, samples.bare.skin)
        state = labelling.label(frame.picture, figure, prior, samples=samples.labels, person=person)
        cancel.check()
        sleeves = limbs.changes(figure, state.likelihood, person)
        limbs.apply(figure, state.prior, sleeves)
        state.judge()
        worn = find_garments(state, figure, part_map, bare=limbs.bare(figure, sleeves), belly=samples.bare.belly)
        return Reading(frame, figure, person, state, worn, overlap(pose.mask, selfie))

    def _second_look(self, picture: RGB, first: Pose, *, face: bool) -> Pose:
        """Pose once more on the person's own cut; kept when it shows the same body."""
        if first.points[skeleton.NOSE][1] < 0:
            return first  # no head for the detector to start from; it would squeeze the body into the picture
        again = self._solutions.pose(picture)
        if again is None or overlap(again.mask, first.mask) <= 0.7:
            return first
        return again if face or likely(again) > likely(first) else first

    def _details(self, picture: RGB, figure: Figure) -> Figure:
        """Face points and hand points, each from its own enlarged cut."""
        centre, wide, tall, _ = parts.head_ellipse(figure)
        cut = _square(picture, centre, 2.0 * max(wide, tall))
        mesh = self._solutions.mesh(cut.picture) if cut is not None else None
        if cut is not None and mesh is not None:
            mesh = cut.to_photo(mesh)
            if float(np.hypot(*(mesh[1] - figure.points[skeleton.NOSE]))) > 0.35 * figure.unit:
                mesh = None
        hands: list[F32] = []
        for wrist, knuckle in ((15, 19), (16, 20)):
            cut = _square(picture, figure.mid(wrist, knuckle), 0.55 * figure.unit)
            if cut is not None:
                hands += [cut.to_photo(hand) for hand in self._solutions.hands(cut.picture)]
        return replace(figure, mesh=mesh, hands=tuple(hands))

    def _near_head(self, picture: RGB, figure: Figure) -> F32 | None:
        """The silhouette in an enlarged cut around the head: it shows dark hair before a dark wall, the whole's does not."""
        centre, wide, tall, _ = parts.head_ellipse(figure)
        cut = None if figure.headless else _square(picture, centre, 2.2 * max(wide, tall))
        if cut is None:
            return None
        h, w = figure.size
        return cut.spread(self._solutions.selfie(cut.picture), box=(0, 0, w, h), size=(w, h))


def _square(picture: RGB, centre: F32, half: float) -> Frame | None:
    """The square about `centre` as a frame of its own, or None when too little of it is in the picture."""
    h, w = picture.shape[:2]
    box = (float(centre[0] - half), float(centre[1] - half), float(centre[0] + half), float(centre[1] + half))
    if min(box[2], w) - max(box[0], 0) < 12 or min(box[3], h) - max(box[1], 0) < 12:
        return None
    return cut_frame(picture, box, side=256)


def _headless(figure: Figure, person: F32) -> bool:
    """Whether the pose's head lies outside the picture, or on a part of the body as broad as a trunk.

    Where the silhouette ends below the picture's upper edge, nothing of the head is cut off: only what is as broad as the
    shoulders, as on a doll without a head, is no head then. Hair and hats stay narrower.
    """
    if figure.mesh is not None:
        return False
    h, w = figure.size
    x, y = (int(v) for v in figure.points[skeleton.NOSE])
    if not (0 <= x < w and 0 <= y < h):
        return True
    body = person > 0.5
    cut = np.count_nonzero(body[:2].any(axis=0)) > 0.3 * figure.unit
    return y < 0.25 * h and _breadth(body[y], x) > (0.85 if cut else 1.05) * figure.unit


def _breadth(row: Bool, x: int) -> int:
    """Length of the stretch of `row` (w,) about `x`: a raised hand beside the head is not the head."""
    return next((end - first for first, end in stretches(row) if first <= x < end), 0)


def _choose(found: list[Candidate], person: int | None) -> int:
    if person is None:
        weights = [(one.box[2] - one.box[0]) * (one.box[3] - one.box[1]) * (0.3 + one.confidence) for one in found]
        return int(np.argmax(weights))
    if not 1 <= person <= len(found):
        count = "1 person was" if len(found) == 1 else f"{len(found)} persons were"
        raise NobodyFound(
            f"There is no person {person}: {count} found in this photo.",
            reason="no_such_person",
            hint=f"Persons are counted from 1, left to right; choose 1 to {len(found)}."
            if len(found) > 1
            else "Use person 1.",
        )
    return person - 1


def _frame_box(chosen: Candidate, look_shape: tuple[int, ...], scale: float) -> tuple[float, float, float, float]:
    """The person's box in photo pixels with a margin, wide enough for limbs that the mask missed."""
    height, width = look_shape[:2]
    points = chosen.pose.points
    keys = points[[0, *range(11, 29), 31, 32]]
    keys = keys[(keys[:, 0] > 0) & (keys[:, 0] < width) & (keys[:, 1] > 0) & (keys[:, 1] < height)]
    x0, y0, x1, y1 = chosen.box
    if len(keys):
        x0, y0 = min(x0, float(keys[:, 0].min())), min(y0, float(keys[:, 1].min()))
        x1, y1 = max(x1, float(keys[:, 0].max())), max(y1, float(keys[:, 1].max()))
    pad = MARGIN * max(x1 - x0, y1 - y0)
    return ((x0 - pad) / scale, (y0 - pad) / scale, (x1 + pad) / scale, (y1 + pad) / scale)


def _protected(photo: RGB, reading: Reading) -> tuple[ProtectedArea, ...]:
    maps = protect.protected_maps(reading.figure, reading.state, reading.person)

    def area(name: str) -> ProtectedArea:
        soft, confidence = maps[name]
        mask = refine.full_mask(photo, reading.frame, soft, exact=False)
        return ProtectedArea(name, mask, round(float(confidence), 3))

    return tuple(one for one in two_at_a_time(area, maps) if one.mask.any())


def _regions(
    photo: RGB, reading: Reading, *, zones: frozenset[Zone] | None, areas: tuple[ProtectedArea, ...]
) -> dict[Zone, Region]:
    keep_out = np.zeros(photo.shape[:2], np.uint8)
    for area in areas:
        np.maximum(keep_out, area.mask, out=keep_out)
    least = LEAST_AREA * reading.figure.unit**2
    asked = [zone for zone in Zone if (_offered(zone, reading.garments) if zones is None else zone in zones)]
    asked = [zone for zone in asked if np.count_nonzero(reading.garments.maps[zone] > 0.5) >= least]

    def region(zone: Zone) -> Region:
        soft = reading.garments.maps[zone]
        mask = refine.full_mask(photo, reading.frame, soft)
        mask[keep_out > 0] = 0
        return Region(zone, mask, refine.alpha_of(mask), _confidence(reading, soft))

    found = map(region, asked)  # one at a time: two cost 150 MB more at 12 MP
    return {one.zone: one for one in found if one.mask.any()}


def _offered(zone: Zone, worn: Garments) -> bool:
    """Whether a zone is told without being asked for."""
    if zone is Zone.OUTER:
        return worn.layered
    return worn.one_piece if zone is Zone.DRESS else True


def _confidence(reading: Reading, soft: F32) -> float:
    inside = soft > 0.5
    sure = float(np.clip(reading.state.probability[3:5].sum(axis=0)[inside].mean(), 0, 1))
    seen = float(reading.figure.seen[list(skeleton.TRUNK)].mean())
    return round(float(np.clip(0.5 * sure + 0.25 * seen + 0.25 * reading.agreement, 0.05, 0.99)), 3)


def _no_such_zone(photo: RGB, reading: Reading, areas: tuple[ProtectedArea, ...]) -> None:
    there = ", ".join(str(zone) for zone in _regions(photo, reading, zones=None, areas=areas))
    raise NobodyFound(
        "That garment zone is not to be seen on this person.",
        reason="no_such_zone",
        hint=f"Zones that are there: {there}." if there else "Draw the mask yourself and pass it with --mask.",
    )


def _person(index: int, one: Candidate, scale: float) -> Person:
    box = (int(one.box[0] / scale), int(one.box[1] / scale), round(one.box[2] / scale), round(one.box[3] / scale))
    return Person(index + 1, box, round(float(np.clip(one.confidence, 0, 1)), 3), one.evidence)


def _axes(reading: Reading) -> tuple[BodyAxis, ...]:
    figure, frame = reading.figure, reading.frame
    radius = figure.unit / frame.scale

    def axis(part: str, start: F32, end: F32, share: float) -> BodyAxis:
        (x0, y0), (x1, y1) = frame.to_photo(np.stack([start, end])).tolist()
        return BodyAxis(part, (x0, y0), (x1, y1), share * radius)

    found = [axis("trunk", figure.neck_base, figure.hips, 0.5)]
    for side, (shoulder, elbow, wrist, hip, knee, ankle) in {
        "left": (11, 13, 15, 23, 25, 27),
        "right": (12, 14, 16, 24, 26, 28),
    }.items():
        for part, start, end in (
            ("upper_arm", shoulder, elbow),
            ("forearm", elbow, wrist),
            ("thigh", hip, knee),
            ("shin", knee, ankle),
        ):
            found.append(axis(f"{side}_{part}", figure.points[start], figure.points[end], parts.RADII[part]))
    return tuple(found)


def _notes(
    reading: Reading, *, found: list[Candidate], person: int | None, regions: dict[Zone, Region]
) -> tuple[str, ...]:
    notes = []
    if len(found) > 1 and person is None:
        notes.append(f"{len(found)} persons were found; the largest was taken. Choose another with --person.")
    figure = reading.figure
    height = figure.size[0]
    if figure.headless:
        notes.append("The head is outside the photo; the garment's upper edge is taken from the body below it.")
    if float(figure.hips[1]) > height and Zone.BOTTOM not in regions:
        notes.append("The photo ends above the hips; only what shows of the upper body can be changed.")
    if any(region.confidence < 0.6 for region in regions.values()):
        notes.append("The outline is uncertain here; please check it.")
    return tuple(notes)
