"""MediaPipe's pose network aimed at a given square, past its own detector, which needs a face or shoulders to start from.

The landmark network itself finds legs without a head; only the search for where to look does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB

GRAPH = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
output_stream: "mask"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:0:model_complexity"
  output_side_packet: "PACKET:1:enable_segmentation"
  node_options: {
    [type.googleapis.com/mediapipe.ConstantSidePacketCalculatorOptions]: {
      packet { int_value: 1 }
      packet { bool_value: true }
    }
  }
}
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_side_packet: "ENABLE_SEGMENTATION:enable_segmentation"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""


class AimedPose:
    """The graph of mediapipe/modules/pose_landmark behind its detector; built once, fed picture by picture."""

    def __init__(self) -> None:
        import mediapipe
        import mediapipe.python.solutions.pose  # registers the calculators' options
        from google.protobuf import text_format  # type: ignore[import-untyped]
        from mediapipe.framework import calculator_pb2
        from mediapipe.python._framework_bindings import resource_util

        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parent.parent))
        config = text_format.Parse(GRAPH, calculator_pb2.CalculatorGraphConfig())
        self._bound = mediapipe
        self._found: dict[str, Any] = {}
        self._graph = mediapipe.CalculatorGraph(graph_config=config)
        for name in ("landmarks", "mask"):
            self._graph.observe_output_stream(name, self._found.__setitem__)
        self._graph.start_run()
        self._time = 0

    def look(self, picture: RGB, centre: tuple[float, float], side: float) -> tuple[F32, F32, F32] | None:
        """Points (33, 2), visibilities (33,) and mask (h, w) of a body whose hips are at `centre`, or None.

        `side` is that of the square that holds the whole body, two and a half times the distance from hips to crown.
        """
        from mediapipe.framework.formats import rect_pb2

        height, width = picture.shape[:2]
        self._time += 1
        self._found.clear()
        square = rect_pb2.NormalizedRect(
            x_center=centre[0] / width, y_center=centre[1] / height, width=side / width, height=side / height
        )
        make = self._bound.packet_creator
        image = make.create_image_frame(image_format=self._bound.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        self._graph.add_packet_to_input_stream("image", image.at(self._time))
        self._graph.add_packet_to_input_stream("roi", make.create_proto(square).at(self._time))
        self._graph.wait_until_idle()
        if "landmarks" not in self._found or "mask" not in self._found:
            return None
        get = self._bound.packet_getter
        marks = get.get_proto(self._found["landmarks"]).landmark
        points = np.array([(m.x * width, m.y * height) for m in marks], np.float32)
        seen = np.array([m.visibility for m in marks], np.float32)
        mask = np.array(get.get_image(self._found["mask"]).numpy_view(), np.float32)
        return points, seen, mask.reshape(height, width)

    def close(self) -> None:
        """End the graph and give its memory back."""
        self._graph.close()
