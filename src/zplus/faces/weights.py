"""The source of the face detector's models, and the library that runs them."""

from typing import Any

from zplus.archives import Archive
from zplus.errors import MissingExtraError

FACE_MODELS = Archive(
    package="face_recognition_models",
    version="0.3.0",
    sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    filename="face_recognition_models-0.3.0.tar.gz",
    megabytes=100,
    licence="CC0-1.0; the 68-point model was trained on pictures (iBUG 300-W) that exclude commercial use",
    files=(
        "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
        "face_recognition_models/models/mmod_human_face_detector.dat",
        "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        "face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
    ),
)


def dlib() -> Any:
    """The module dlib. Raises MissingExtraError where it is not installed."""
    try:
        import dlib as found  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("dlib-bin", "faces") from error
    return found
