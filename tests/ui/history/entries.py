"""Histories for the tests of the page: entries with pictures, receipts, stars, tags and a line of results of results."""

import hashlib
import random
from pathlib import Path

import cv2
import numpy as np

from outfitswap_desktop.core.receipt import versions
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.entry import Record
from outfitswap_desktop.store.history import History

WISHES = (
    "navy pinstripe linen shirt", "emerald velvet blazer", "red gingham dress", "oversized denim jacket",
    "ivory silk blouse with a bow", "charcoal herringbone coat", "mustard corduroy overshirt", "black leather jacket",
    "pastel tie-dye t-shirt", "tartan wool skirt",
)  # fmt: skip
ROOT = "c" * 64


def thumbnail(picture, turn):
    """The picture in another colour, as a WebP of 256 pixels."""
    hsv = cv2.cvtColor(cv2.resize(picture, (256, 256)), cv2.COLOR_RGB2HSV)
    lower = hsv[110:]
    lower[..., 0] = (lower[..., 0].astype(int) + turn) % 180
    turned = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return cv2.imencode(".webp", turned, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()


def receipt(seed, *, photo="f" * 64, root="f" * 64, engine="fabric"):
    """A receipt as the runner writes it, of a photo of 512 x 512."""
    return {
        "schema": 1,
        "request": {"prompt": "", "seed": seed, "mask_sha256": None},
        "source": {"name": "astronaut.png", "sha256": photo, "format": "PNG", "size": [512, 512]},
        "garment": None,
        "mask": {"sha256": "d" * 64, "fraction": 0.2},
        "made": {
            "engine": engine, "segmenter": "mediapipe", "fallbacks": ["SAM is not installed."], "limits": ["No new cut."],
            "notes": [], "plan": {},
        },
        "found": {
            "persons": [{"number": 1, "confidence": 0.97, "box": [40, 10, 420, 512]}],
            "regions": [
                {"name": "top", "confidence": 0.91, "box": [20, 190, 400, 512],
                 "rings": ["120,200 300,190 390,330 400,511 20,511 40,300"]},
            ],
            "protected": [
                {"name": "head", "confidence": 0.98, "box": [150, 20, 300, 190],
                 "rings": ["160,60 220,15 290,50 300,130 240,190 180,160"]},
            ],
        },
        "seconds": {"read": 0.41, "parse": 1.92, "generate": 0.88, "gates": 1.31},
        "outside_mask_changed_pixels": 0,
        "output": {"sha256": "e" * 64, "format": "PNG"},
        "gates": {"whole_image.nsfw": 0.0312, "difference.rise": 0.004, "frame.outside_mask_changed_pixels": 0.0,
                  "skin.chest_hip_rise": 0.0011},
        "safety": {"root_sha256": root, "consent": {"kind": "self", "given": "2026-11-20T10:00:00+00:00",
                                                    "adult_attested": True}},
        "versions": versions(),
    }  # fmt: skip


def write(history, folder, name, seed, **about):
    """One finished entry with its files; returns its id."""
    planned = [writing.plan(folder / f"{name}{end}", role=role) for role, end in
               (("output", ".png"), ("mask", ".mask.png"), ("receipt", ".receipt.json"))]  # fmt: skip
    small = about.pop("thumbnail", None)
    values = {
        "photo": Path("/photos/astronaut.png"), "photo_sha256": "f" * 64, "prompt": "navy coat", "zone": "top",
        "engine": "fabric", "segmenter": "mediapipe", "seed": seed, "receipt": receipt(seed),
    } | about  # fmt: skip
    entry_id = history.begin(planned)
    staged = [writing.stage(f"{name} {place.role}".encode() * 9, place) for place in planned]
    history.commit(entry_id, Record(**values), staged, thumbnail=small)
    for file in staged:
        writing.publish(file)
    history.finish(entry_id)
    return entry_id


def fill(file, folder, picture, many=200):
    """`many` entries of all kinds; every fifth is made from the result before it."""
    rng = random.Random(3)
    with History(file) as history:
        ids = []
        photo, root = "f" * 64, "f" * 64
        for number in range(many):
            if number % 5 == 0:
                photo = root = hashlib.sha256(str(number // 25).encode()).hexdigest()
            entry_id = write(
                history, folder, f"result{number}", number, prompt=rng.choice(WISHES), photo_sha256=photo,
                zone=rng.choice(("top", "outer", "dress")), engine=rng.choice(("fabric", "fabric", "sdxl")),
                receipt=receipt(number, photo=photo, root=root), thumbnail=thumbnail(picture, rng.randrange(180)),
            )  # fmt: skip
            ids.append(entry_id)
            if number % 5 in (1, 2):
                photo = history.get(entry_id).output_sha256
        history.star(rng.sample(ids, many // 8))
        history.tag(rng.sample(ids, many // 4), add=["Summer 2026"])
        history.tag(rng.sample(ids, many // 6), add=["client: Ana"])
        history.trash(ids[:3])
    return np.array(ids)
