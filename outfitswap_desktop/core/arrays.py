"""Array types and the one convention for them: images are HWC uint8 RGB, masks are HW uint8 0/255, everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Alpha = NDArray[np.uint8]
F32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


def frozen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Mark `array` read-only and return it; what crosses a thread or process must not change under the reader."""
    array.setflags(write=False)
    return array
