"""Numbers that measurements were made with, or that files in the world carry: none of them changes by accident.

Whoever changes one on purpose measures again (SAFETY.md names the benchmarks) and writes it here too.
"""

import importlib
from datetime import UTC, datetime, timedelta

import pytest

from outfitswap_desktop import private
from outfitswap_desktop.safety.marks import certificate
from outfitswap_desktop.safety.prompt import glyphs
from outfitswap_desktop.safety.records import retention, writer

NUMBERS = {
    "allowed": {"LIMB_BREADTH": 1.6, "WORTH_SAYING": 20, "SOFT_EDGE": 6},
    "detectors": {
        "BOX_FLOOR": 0.05,
        "BOX_OVERLAP": 0.45,
        "_MEAN_BGR": (104.0, 117.0, 123.0),
        "_NSFW_SIDE": 256,
        "_NSFW_CROP": 224,
    },
    "judging": {"_LARGEST_SCORE": 1000000000.0},
    "parts": {
        "BUDGET_SECONDS": 20.0,
        "EXPOSED_LIMIT": 0.25,
        "NSFW_LIMIT": 0.5,
        "REDUCED": 0.5,
        "FRAME_SIDE": 480,
        "CROP_SIDE": 320,
        "MOST_CROPS": 6,
        "AROUND_CHANGE": 0.25,
        "AROUND_PERSON": 0.5,
        "LEAST_OF_PERSON": 0.5,
        "AROUND_DETECTION": 0.6,
    },
    "request_gates": {"MOST_CHARACTERS": 300},
    "roots": {"LARGE": 4_000_000},
    "statements": {"MOST_RELEASE_BYTES": 60_000_000},
    "marks.invisible": {
        "MIN_AREA": 65_536,
        "LARGEST": 50_000_000,
        "PLAIN": 1.4,
        "DARKER": 0.15,
        "LIGHTER": 0.1,
        "TEXTURED": 0.6,
        "STRONGEST": 6.0,
        "ROOMY": 0.25,
        "WEAKEST": 0.6,
        "PEAK": 2.4,
        "HEADROOM": 3,
        "GRAIN": 1.0,
        "ROUNDS": 6,
        "MOST": 2.5,
        "MARGIN": 32,
        "FINEST": (7, 7),
        "CALM": (13, 13),
        "LIT": (15, 15),
    },
    "marks.invisible_code": {
        "PAYLOAD_BYTES": 6,
        "CRC_BITS": 24,
        "_CRC_START": 11_994_318,
        "_CRC_POLYNOMIAL": 25_578_747,
        "MEMORY": 6,
        "GENERATORS": (91, 101, 125),
    },
    "marks.invisible_pattern": {
        "TILE": 64,
        "GRID": 32,
        "LOWEST": 5.5,
        "HIGHEST": 13.0,
        "JPEG_WAVES": 4,
        "LOUDER": 1.0,
        "WHITER": 1.1,
        "_MIDDLE": 8.0,
    },
    "marks.invisible_search": {
        "AROUND": 9,
        "NEARBY": 17,
        "QUIET": 0.2,
        "LIMIT": 3.0,
        "SIDES": (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128),
        "SMALLEST": 256,
        "STEP": 0.4,
        "POSITIONS": 40,
        "FINE": 7,
        "CANDIDATES": 24,
        "REGION": 41,
        "FLOOR": 0.15,
        "BATCH": 2048,
        "SYNC_MIN": 4.5,
        "WORD_MIN": 0.35,
    },
    "marks.xmp": {"MAX_BYTES": 65_000, "_MAX_DEPTH": 100},
    "marks.certificate": {"YEARS": 10},
    "people.age": {
        "MINOR_LIMIT": 0.5,
        "ADULT_AGE": 18,
        "SURELY_ADULT_AGE": 25,
        "MIN_FACE": 48,
        "LARGE_FACE": 256,
        "STEP": 0.05,
        "CHIP": 64,
        "CHIP_PADDING": 0.2,
        "CLASSES": 81,
        "_MEAN_RGB": (122.781998, 117.000999, 104.297997),
        "_SCALE": 256.0,
        "_PARTS": 5,
        "_AROUND_FACE": 1.0,
        "LIGHT_RANGE": (80.0, 160.0),
        "_LUMA": (0.299, 0.587, 0.114),
    },
    "people.areas": {
        "CHEST": 0.06,
        "CROTCH": 1.28,
        "TRUNK_WIDTH": 1.15,
        "WITHIN": 0.72,
        "LIMB_WIDTH": 1.25,
        "JOINT": 1.4,
        "LEAST_CHEST": 0.05,
        "HEAD_ROWS": (0.0, 0.13),
    },
    "people.cloth": {
        "WORK_SIDE": 384,
        "NEAR_SHARE": 0.6,
        "PLAIN_SHARE": 0.7,
        "EVEN": 0.06,
        "STEP": 3.0,
        "DIRECTIONS": 240,
        "LIGHTS": (0.7, 0.85, 1.0, 1.2),
        "GAMMA": 2.2,
        "UNLIKE": 0.4,
    },
    "people.difference": {
        "RISE": 0.05,
        "SEEN": 0.2,
        "WITNESS": 0.005,
        "CHEST_HIP_RISE": 0.02,
        "ELSEWHERE_RISE": 0.06,
        "REDUCED": 0.5,
        "LOOSE": 10.0,
    },
    "people.exposure": {
        "LIMIT": 0.25,
        "REDUCED": 0.5,
        "MOSTLY_SKIN": 0.5,
        "SKIN_BESIDE_COVERED": 0.35,
        "GARMENT_LIMIT": 0.15,
        "SKIN_IN_BOX": 0.3,
        "BELLY_LIMIT": 0.2,
        "BELLY_SKIN": 0.5,
        "COVERED_LIMIT": 0.2,
        "SKIN_AROUND": 0.45,
        "AROUND": 0.6,
        "BODY_LIMIT": 0.3,
        "SKIN_OF_PICTURE": 0.3,
        "SIDE": 480,
        "SMALL": 256,
        "FACE_GROWN": 0.2,
        "SKIN": 0.5,
    },
    "people.folds": {
        "GRID": 192,
        "FINE": 1.0,
        "COARSE": 3.0,
        "FAINT": 0.12,
        "STRONG": 2.0,
        "NOISE": 0.2,
        "REACH": 21,
        "ENOUGH": 0.1,
        "KEPT": 0.15,
    },
    "people.skin": {
        "LEAST_PIXELS": 60,
        "SURE_PIXELS": 400,
        "REACH": 2.4,
        "SOFTNESS": 0.25,
        "ALONG": (0.022, 0.14, 0.06),
        "ACROSS": (0.018, 0.07, 0.045),
        "TRIMMED": (0.022, 0.05),
        "ROUNDS": 8,
        "MOST_PIXELS": 8000,
        "FACE_SHARE": 0.25,
        "HAND_SHARE": 0.4,
        "AKIN_HUE": 22.0,
        "AKIN_CHROMA": 1.7,
        "STEEPEST": 0.008,
        "DARKER": 24.0,
        "LIGHTER": 8.0,
        "LEAST_RANGE": 20.0,
        "BURNT": 94.0,
        "DARKEST": 12.0,
        "HUES": (18.0, 84.0),
        "CHROMAS": (0.07, 0.8),
        "GREY": 0.04,
        "NEAR": 6.0,
    },
    "people.smaller": {"SKIN_SIDE": 1600},
    "people.subject": {"SKIN": 0.5, "NEARNESS": 1.0, "HAT": 0.25, "SOLID": 0.05, "SAME": 0.5, "AROUND": 2},
    "prompt.apart": {"LEAST": 4, "LEAST_OPEN": 6, "LONG_WORD": 18, "LEAST_ALONE": 3},
    "prompt.deny": {
        "GAP_WORDS": 5,
        "GAP_LETTERS": 12,
        "LEAST_REVERSED": 3,
        "LEAST_REVERSED_ELSEWHERE": 4,
        "LEAST_REVERSED_OPEN": 6,
        "LAST_AGE": 19,
        "FIRST_TALL": 8,
    },
    "prompt.lists": {"_SHORT": 4},
    "prompt.near": {"LEAST_SWAPPED": 5, "LEAST_SWAPPED_ELSEWHERE": 7, "LEAST_SLIP": 8, "LEAST_CONSONANTS": 4},
    "prompt.phrases": {"MOST_BETWEEN": 3},
    "prompt.policy": {"MOST_CHARACTERS": 300},
    "prompt.vocabulary": {"LEAST_SIMILAR": 72.0, "MOST_SUGGESTED": 3, "OLDEST": 19},
    "records.audit": {"ANCHOR_EVERY": 16, "ANCHOR_SECONDS": 30.0},
    "records.consents": {"NEAR": 2},
    "records.database": {"BUSY_SECONDS": 5.0, "VERSION": 1},
    "records.lineage": {"ALIKE": 40},
    "records.perceptual": {"SIDE": 32, "FLAT": 8.0, "LOOKS_BYTES": 32},
    "records.places": {"SEED_BYTES": 32},
    "records.retention": {"MOST_DEPTH": 8},
    "records.schema": {"MOST_BYTES": 131_072, "MOST_DEPTH": 6, "PRINT_SIDE": 192},
}


@pytest.mark.parametrize("module", NUMBERS)
def test_the_numbers_are_the_ones_measured_with(module):
    there = vars(importlib.import_module(f"outfitswap_desktop.safety.{module}"))
    assert {name: there[name] for name in NUMBERS[module]} == NUMBERS[module]


def test_the_times_and_the_cost_of_a_passphrase():
    assert timedelta(days=1) == retention.LEFTOVERS
    assert timedelta(days=1) == writer.CLOCK_SLACK
    assert datetime(2026, 1, 1, tzinfo=UTC) == certificate.NOT_BEFORE
    assert datetime(2200, 1, 1, tzinfo=UTC) == certificate._ROOT_UNTIL
    assert certificate._LAST_YEAR == 2188
    assert (private.ANSWER_SECONDS, private.SHORTEST_PASSPHRASE, private.LONGEST_FILE) == (2.0, 8, 65_536)
    assert private.SCRYPT == {"n": 32_768, "r": 8, "p": 1}


def test_the_writing_systems_are_the_blocks_of_unicode():
    """Block names and ranges of Unicode 15: Blocks.txt."""
    assert glyphs._HANGUL == ((0x1100, 0x11FF), (0xAC00, 0xD7FF))
    assert glyphs._CYRILLIC == ((0x0400, 0x052F),)
    assert range(0x30A1, 0x30F7) == glyphs._KATAKANA
    assert chr(ord("ア") - glyphs._KATAKANA_TO_HIRAGANA) == "あ"
