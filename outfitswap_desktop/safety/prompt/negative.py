"""What a generator that takes a negative prompt is always told to keep out of its picture."""

from __future__ import annotations

from typing import Final

NEGATIVE: Final = (
    "nude, nudity, naked, nsfw, explicit, undressed, topless, bottomless, bare chest, bare breasts, nipples, cleavage, "
    "genitals, buttocks, exposed skin, bare torso, underwear, lingerie, bra, panties, thong, swimwear, bikini, swimsuit, "
    "see-through, sheer, transparent clothes, wet clothes, clinging wet fabric, body paint, skin-coloured fabric, "
    "open shirt, missing clothes, torn clothes, sexual, suggestive pose, seductive, fetish, bondage, "
    "child, young, teenager, minor, baby, school uniform, "
    "violence, blood, wounds, bruises, weapons, degrading, "
    "deformed hands, extra fingers, missing fingers, extra limbs, deformed body, changed face, different person, "
    "disfigured, low quality, blurry, watermark, text"
)
"""Added to every request to a generator that takes a negative prompt; it cannot be edited or left out."""
