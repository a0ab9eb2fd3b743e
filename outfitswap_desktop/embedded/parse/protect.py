"""Areas that never enter a mask: head, hair, hands and shoes of the person, as maps over the work frame."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.parse import colours
from outfitswap_desktop.embedded.parse import parts as pt
from outfitswap_desktop.embedded.parse.labelling import Labelling
from outfitswap_desktop.embedded.parse.parts import BOTTOM, HAIR, SHOES, SKIN, TOP, Figure
from outfitswap_desktop.embedded.parse.seeds import FACE_OVAL


def protected_maps(figure: Figure, state: Labelling, person: F32) -> dict[str, tuple[F32, float]]:
    """Soft map (h, w) and confidence of "head", "hair", "hands", "shoes"; what is not in the picture is left out."""
    probability = state.probability
    skin, hair, shoes = probability[SKIN], probability[HAIR], probability[SHOES]
    found: dict[str, tuple[F32, float]] = {}
    head = np.zeros(figure.size, np.float32) if figure.headless else _head(figure, skin, hair, person)
    seen = float(figure.seen[:11].mean())
    if np.count_nonzero(head > 0.5) > 20:
        head = _solid(head)
        found["head"] = (head, min(0.98, 0.5 + 0.45 * seen) if figure.mesh is not None else 0.4 + 0.4 * seen)
    hair_map = _hair(figure, state)
    if np.count_nonzero(hair_map > 0.5) > 0.002 * figure.unit**2:
        found["hair"] = (hair_map, 0.75)
    hands = _hands(figure, skin, person, cloth=probability[TOP] + probability[BOTTOM])
    if np.count_nonzero(hands > 0.5) > 15:
        found["hands"] = (hands, 0.85 if figure.hands else 0.6)
    feet = np.zeros(figure.size, np.float32)
    for start, end in ((27, 29), (27, 31), (29, 31), (28, 30), (28, 32), (30, 32)):
        near = pt.to_capsule(figure.size, figure.points[start], figure.points[end]) < 0.3 * figure.unit
        feet = np.maximum(feet, shoes * near)
    if np.count_nonzero(feet > 0.5) > 20:
        found["shoes"] = (feet, 0.7)
    return found


def _solid(soft: F32) -> F32:
    """The map with its enclosed holes filled: eyes and beards belong to the head."""
    mask = (soft > 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros_like(mask)
    cv2.drawContours(whole, outlines, -1, 1, -1)
    return np.asarray(np.where((whole > 0) & (mask == 0), 0.9, soft), np.float32)


def _head(figure: Figure, skin: F32, hair: F32, person: F32) -> F32:
    """Face oval and skull whole, and skin or hair around them; the neck is skin but not head."""
    inside = np.zeros(figure.size, np.float32)
    if figure.mesh is not None:
        cv2.fillPoly(inside, [np.round(figure.mesh[list(FACE_OVAL)]).astype(np.int32)], 1.0)
    around = pt.head_distance(figure)
    skull = (around < 0.02 * figure.unit) * person
    near = (around < 0.10 * figure.unit) * np.maximum(skin, hair)
    above = figure.down() < -0.05
    return np.asarray(np.maximum(inside, np.maximum(skull, near) * above), np.float32)


def _hair(figure: Figure, state: Labelling) -> F32:
    """What is labelled hair; long hair that fell for skin, on the chest and in hair's colours; and around the head whatever
    the silhouette from nearby shows that is neither skin nor cloth. Where it falls below the chin its rim is hair too:
    tips on a collar are thinner than the labelling sees.
    """
    skin, hair = state.probability[SKIN], state.probability[HAIR]
    result = hair * (pt.to_capsule(figure.size, figure.neck_base, figure.hips) < 2 * figure.unit)
    if figure.headless or not np.any(hair > 0.5):
        return np.asarray(result, np.float32)
    like = _like_hair(figure, state)
    arms = np.full(figure.size, np.inf, np.float32)
    for name, start, end in pt.LIMBS:
        if name == "forearm":
            arms = np.minimum(arms, pt.to_capsule(figure.size, figure.points[start], figure.points[end]))
    strands = (state.smooth(np.asarray(like * (skin + hair), np.float32)) > 0.5) & (arms > 0.3 * figure.unit)
    strands &= (figure.down() > -0.2) & (figure.down() < 1.0)
    result = np.maximum(result, 0.8 * _touching(strands, hair > 0.5))
    if figure.near_head is not None:
        cloth = state.probability[TOP] + state.probability[BOTTOM]
        ring = pt.head_distance(figure) < 0.5 * figure.unit
        result = np.maximum(result, figure.near_head * ring * (1 - np.minimum(1, skin + cloth)))
    kernel = np.ones((5, 5), np.uint8)  # the shade along a neckline is thinner than any strand
    broad = cv2.morphologyEx((result > 0.5).astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    falls = _touching(broad, (hair > 0.5) & (pt.head_distance(figure) < 0.05 * figure.unit))
    rim = cv2.dilate(falls, kernel) * (figure.down() > -0.25)
    return np.asarray(np.maximum(result, rim), np.float32)


def _like_hair(figure: Figure, state: Labelling) -> F32:
    """Map (h, w) of 0 and 1: nearer to the colours of the hair on the head than to the face's, which the rounds of the
    labelling may have mixed up further down.
    """
    around = pt.head_distance(figure)
    hair = (state.probability[HAIR] > 0.7) & (around < 0.2 * figure.unit)
    skin = (state.probability[SKIN] > 0.7) & (around < 0.02 * figure.unit)
    result = np.zeros(figure.size, np.float32)
    if min(np.count_nonzero(hair), np.count_nonzero(skin)) < 60:
        return result
    near = (state.probability[SKIN] + state.probability[HAIR] > 0.3) & state.near
    values = state.lab[near]
    one, two = colours.fit(state.lab[hair], 3), colours.fit(state.lab[skin], 3)
    result[near] = one.log_likelihood(values) > two.log_likelihood(values)
    return result


def _touching(found: Bool, core: Bool) -> F32:
    """The pieces of `found` that reach `core`, as a map of 0 and 1."""
    _, labels = cv2.connectedComponents((found | core).astype(np.uint8))
    kept = np.unique(labels[core])
    return np.asarray(np.isin(labels, kept[kept > 0]) & found, np.float32)


def _hands(figure: Figure, skin: F32, person: F32, *, cloth: F32) -> F32:
    """The hands' hulls whole where the hand network saw them, else only their skin; grown to the skin next to them."""
    result = np.zeros(figure.size, np.float32)
    for wrist, outline in zip((15, 16), pt.hand_outlines(figure), strict=True):
        known = any(float(np.hypot(*(h[0] - figure.points[wrist]))) < 0.45 * figure.unit for h in figure.hands)
        distance = pt.to_polygon(figure.size, outline)
        close = distance < 0.14 * figure.unit
        if known:
            result = np.maximum(
                result, (distance < 0.01 * figure.unit) * np.maximum(skin, 0.6 * person * (cloth < 0.8))
            )
        result = np.maximum(result, close * skin)
    return np.asarray(cv2.dilate(result, np.ones((5, 5), np.uint8)), np.float32)
