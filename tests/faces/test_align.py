"""The FFHQ crop, on faces whose geometry is known."""

import numpy as np
import pytest
import torch

from zplus.errors import FaceError
from zplus.faces.align import Aligned, align, choose, crop, quad_of, whole
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.warp import blur, invert, warp


def landmarks(scale: float = 100.0, angle: float = 0.0, centre: tuple[float, float] = (300.0, 280.0)) -> np.ndarray:
    """Eyes at (-0.5, 0) and (0.5, 0), mouth corners at (-0.4, 1.1) and (0.4, 1.1), scaled, turned and moved."""
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (-0.5, 0), (0.5, 0)
    points[[48, 54]] = (-0.4, 1.1), (0.4, 1.1)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return scale * points @ turn + np.array(centre)


class Told(FaceDetector):
    """Finds the faces it was told."""

    def __init__(self, *faces: np.ndarray):
        super().__init__()
        self.faces = [DetectedFace((0.0, 0.0, 1.0, 1.0), points) for points in faces]

    def find(self, pixels: np.ndarray) -> list[DetectedFace]:
        return self.faces


def test_the_quad_of_an_upright_face():
    """Side 4 times the distance of the eyes here; the centre a tenth of the way from the eyes to the mouth."""
    expected = np.array([(-2, -1.89), (-2, 2.11), (2, 2.11), (2, -1.89)]) * 100 + (300, 280)
    assert np.allclose(quad_of(landmarks()), expected)


def test_a_long_face_sets_the_side_by_eyes_and_mouth():
    points = landmarks(angle=0.3)
    points[[48, 54]] = points[[48, 54]] + 2 * (points[[48, 54]].mean(0) - points[[36, 42]].mean(0))
    quad = quad_of(points)
    assert np.isclose(np.hypot(*(quad[3] - quad[0])), 3.6 * 3.3 * 100)


@pytest.mark.parametrize(("scale", "angle"), [(17.0, 0.0), (60.0, 0.4), (251.0, -2.9)])
def test_the_quad_is_a_square_that_goes_with_the_face(scale, angle):
    quad = quad_of(landmarks(scale, angle, (70.0, 90.0)))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert np.allclose(quad, (quad_of(landmarks(1, 0, (0, 0))) * scale) @ turn + (70, 90))


def dots(height: int, width: int, points: np.ndarray, sigma: float) -> np.ndarray:
    """A photo of round bright dots at given places (continuous x, y)."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points)
    return np.repeat((20 + 200 * np.minimum(light, 1))[..., None], 3, axis=2).round().astype(np.uint8)


def centre_of(pixels: np.ndarray, near: np.ndarray, reach: int) -> np.ndarray:
    """The centre of brightness around a place."""
    x0, y0 = (near - reach).astype(int)
    window = pixels[y0 : y0 + 2 * reach, x0 : x0 + 2 * reach, 0].astype(float)
    window = (window - 24).clip(min=0)
    y, x = np.mgrid[0 : window.shape[0], 0 : window.shape[1]] + 0.5
    return np.array([(x * window).sum(), (y * window).sum()]) / window.sum() + (x0, y0)


@pytest.mark.parametrize(("scale", "angle", "size"), [(60, 0, 256), (60, 0.35, 256), (60, -0.5, 64), (25, 0.2, 256)])
def test_what_the_photo_shows_lands_where_the_formula_says(scale, angle, size):
    """Eyes and mouth corners of the synthetic face, to a quarter of a pixel; photo shrunk as well as enlarged."""
    points = landmarks(scale, angle, (250, 240))
    quad = quad_of(points)
    marks = points[[36, 42, 48, 54]]
    ratio = size / np.hypot(*(quad[3] - quad[0]))
    aligned = crop(dots(500, 520, marks, 1.5 / min(1, ratio)), quad, size)
    middle, side = (0.5, 1.89 / 4), size / 4  # of the line of the eyes; one distance of the eyes
    for mark, place in zip(marks, [(-0.5, 0), (0.5, 0), (-0.4, 1.1), (0.4, 1.1)], strict=True):
        expected = np.array(middle) * size + np.array(place) * side
        seen = centre_of(aligned.pixels, expected, max(5, round(6 * max(1, ratio))))
        assert np.abs(seen - expected).max() < 0.25, (mark, seen, expected)
        there = invert(aligned.matrix(size)) @ (*mark, 1)
        assert np.allclose(there, expected)


def noise(height: int, width: int, sigma: float = 3.0) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    smooth = blur(torch.rand(3, height, width, generator=generator), sigma)
    smooth = (smooth - smooth.amin()) / (smooth.amax() - smooth.amin())
    return (255 * smooth).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("scale", "angle"), [(40, 0.0), (40, 0.3), (64, -0.7), (20, 0.2)])
def test_there_and_back_again(scale, angle):
    photo = noise(400, 400, 4.0)
    aligned = crop(photo, quad_of(landmarks(scale, angle, (200, 190))), 256)
    back = warp(torch.from_numpy(aligned.pixels).permute(2, 0, 1), invert(aligned.matrix(256)), (400, 400))
    inside = np.hypot(*(np.mgrid[0:400, 0:400] - 195)) < scale * 1.5
    error = np.abs(back.permute(1, 2, 0).numpy() - photo)[inside]
    assert error.mean() < 1.0 and error.max() < 8


def test_a_crop_of_whole_pixels_is_exact():
    photo = noise(100, 120, 1.0)
    quad = np.array([(20, 10), (20, 74), (84, 74), (84, 10)], dtype=float)
    assert (crop(photo, quad, 64).pixels == photo[10:74, 20:84]).all()
    assert (whole(photo, 100).pixels == photo[:, 10:110]).all()


def test_shrinking_does_not_alias():
    """A fine checkerboard becomes plain grey."""
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    quad = quad_of(landmarks(100, 0.2, (256, 250)))
    assert np.ptp(crop(board, quad, 64).pixels[8:-8, 8:-8].astype(int)) <= 8


def test_beyond_the_border_lies_a_fading_mirror_image():
    photo = noise(200, 200, 3.0)
    aligned = crop(photo, np.array([(-100, 0), (-100, 200), (100, 200), (100, 0)], dtype=float), 200)
    assert (aligned.pixels[:, 100:] == photo[:, :100]).all()  # what the photo shows stays sharp
    assert np.abs(aligned.pixels[:, 99].astype(int) - photo[:, 0]).mean() < 12  # no edge where it ends
    assert aligned.pixels[:, :30].std(axis=(0, 1)).max() < 1  # far outside, one colour


def test_a_face_beyond_every_border_is_no_error():
    assert crop(noise(40, 50, 2.0), quad_of(landmarks(100, 0.1, (20, 20))), 64).pixels.shape == (64, 64, 3)


def test_faces_are_chosen_by_number():
    photo = noise(300, 300, 3.0)
    detector = Told(landmarks(40, 0, (150, 140)), landmarks(20, 0, (100, 100)))
    assert np.allclose(align(photo, detector, 64).quad, quad_of(landmarks(40, 0, (150, 140))))
    second = align(photo, detector, 64, face=1)
    assert isinstance(second, Aligned) and np.allclose(second.quad, quad_of(landmarks(20, 0, (100, 100))))
    with pytest.raises(FaceError, match="no face 2: faces 0 to 1"):
        align(photo, detector, 64, face=2)
    with pytest.raises(FaceError, match="one face was found, number 0"):
        choose(detector.faces[:1], -1)
