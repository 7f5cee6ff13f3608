"""The face detector: its errors without models, and what it finds where they are here."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from command_line import ASTRONAUT, needs_faces
from zplus.archives import folder
from zplus.errors import DownloadError, FaceError, MissingExtraError
from zplus.faces.align import align
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import FACE_MODELS
from zplus.images import read_image


def noise(height: int, width: int) -> np.ndarray:
    """A smooth picture that shows nothing."""
    coarse = np.random.RandomState(1).randint(0, 255, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@needs_faces
@pytest.mark.parametrize("shape", [(45, 3000), (33, 6000), (3000, 45), (41, 12000), (1, 50)])
def test_a_long_strip_shows_no_face(shape):
    assert FaceDetector().largest(noise(*shape)) is None
    with pytest.raises(FaceError, match="No face was found"):
        FaceDetector().find(noise(*shape))


def test_without_dlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match=r"zplus\[faces\]"):
        FaceDetector().find(noise(64, 64))


def test_missing_models_are_named(tmp_path, monkeypatch):
    pytest.importorskip("dlib", reason="the extra 'faces' is not installed")
    with pytest.raises(FaceError, match="zplus pull"):
        FaceDetector(tmp_path).find(noise(64, 64))
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match="zplus pull"):
        FaceDetector().find(noise(64, 64))


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    pytest.importorskip("dlib", reason="the extra 'faces' is not installed")
    if folder(FACE_MODELS) is None:
        pytest.skip("the face models are not in the cache (zplus pull)")
    return FaceDetector()


def test_where_there_is_no_face_find_raises_and_largest_returns_none(detector):
    with pytest.raises(FaceError, match="No face was found"):
        detector.find(noise(100, 120))
    assert detector.largest(noise(100, 120)) is None
    assert detector.largest(noise(1, 1)) is None


def drawing(scale: float) -> np.ndarray:
    """A face that dlib takes for one: ovals of light and shade on 240 x 240 units."""
    y, x = np.mgrid[0 : 240 * scale, 0 : 240 * scale] / scale

    def oval(cx: float, cy: float, rx: float, ry: float, soft: float = 0.15) -> np.ndarray:
        return 1 / (1 + np.exp((np.hypot((x - cx) / rx, (y - cy) / ry) - 1) / soft))

    light = 60 + 140 * oval(120, 125, 58, 76, 0.05)
    for cx in (97, 143):
        light -= 110 * oval(cx, 108, 12, 6) + 90 * oval(cx, 92, 17, 4)
        light -= 60 * oval(120 + (cx - 120) * 0.35, 142, 5, 4)
    light -= 90 * oval(120, 165, 25, 6)
    light += 25 * oval(120, 125, 6, 22, 0.4)
    return np.repeat(light.clip(0, 255)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.75, 2, 8])
def test_a_drawn_face_is_found_at_any_size(detector, scale):
    face = detector.find(drawing(scale))[0]
    left, right = face.landmarks[36:42].mean(0) / scale, face.landmarks[42:48].mean(0) / scale
    assert np.abs(left - (97, 108)).max() < 8 and np.abs(right - (143, 108)).max() < 8
    assert np.abs(face.landmarks[[48, 54]].mean(0) / scale - (120, 165)).max() < 10


def test_two_faces_come_largest_first(detector):
    photo = np.full((500, 800, 3), 60, np.uint8)
    photo[20:260, 20:260], photo[10:490, 300:780] = drawing(1), drawing(2)
    first, second = detector.find(photo)
    assert first.box[0] > 300 > second.box[2]
    assert detector.largest(photo).box[0] > 300


@needs_faces
def test_both_ways_agree_on_a_portrait():
    """Within 3% of the face; five landmarks come from `largest` alone."""
    photo, detector = read_image(ASTRONAUT), FaceDetector()
    (found, *others), largest = detector.find(photo), detector.largest(photo)
    assert not others and found.five is None
    width = found.box[2] - found.box[0]
    assert np.abs(found.landmarks - largest.landmarks).max() < 0.03 * width
    assert np.abs(largest.five - largest.landmarks[[45, 42, 36, 39, 33]]).max() < 0.1 * width


@needs_faces
def test_the_largest_face_lies_at_the_same_place_in_a_smaller_photo():
    photo, detector = Image.open(ASTRONAUT).convert("RGB"), FaceDetector()
    whole, small = (detector.largest(np.array(x)) for x in (photo, photo.reduce(2)))
    assert np.abs(whole.landmarks - 2 * small.landmarks).max() < 0.05 * (whole.box[2] - whole.box[0])


@needs_faces
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_or_stands_on_its_head(quarters):
    photo, detector = read_image(ASTRONAUT), FaceDetector()
    upright, turned = (align(x, detector, 128) for x in (photo, np.ascontiguousarray(np.rot90(photo, quarters))))
    assert np.abs(upright.pixels.astype(int) - turned.pixels).mean() < 0.1
    found = detector.find(turned.photo)[0]
    (left, top, right, bottom), points = found.box, found.landmarks
    assert left < right and top < bottom
    assert left < points[:, 0].mean() < right and top < points[:, 1].mean() < bottom


def test_one_face_is_looked_for_at_a_time(monkeypatch):
    """dlib lets other threads run while its detectors keep state."""
    detector, inside = FaceDetector(), []

    def slow(pixels):
        inside.append(1)
        time.sleep(0.01)
        assert len(inside) == 1
        inside.pop()
        return {}

    for name in ("_by_gradients", "_by_network"):
        monkeypatch.setattr(detector, name, slow)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(detector.find, np.zeros((8, 8, 3), np.uint8)) for _ in range(8)]
    assert all(isinstance(x.exception(), FaceError) for x in found)
