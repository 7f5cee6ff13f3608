"""Regions of a face as masks, on landmarks that are known."""

import numpy as np
import pytest

from zplus.errors import FaceError, UnknownNameError
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.regions import REGIONS, SIDE, region_mask
from zplus.perception.pose import FACE, INNER

CENTRE, MILLIMETRE = np.array([512.0, 470.0]), 4.0  # between the eyes; pixels of a crop of 1024


class Found(FaceDetector):
    """A detector that finds one upright, symmetric face."""

    def find(self, pixels):
        inner = CENTRE + MILLIMETRE * FACE[:, :2]
        turns = np.linspace(np.pi, 0, 17)
        jaw = CENTRE + MILLIMETRE * np.stack([75 * np.cos(turns), 110 * np.sin(turns)], 1)
        assert len(jaw) == INNER.start
        return [DetectedFace((0.0, 0.0, 1024.0, 1024.0), np.concatenate([jaw, inner]))]


def mask(name, side=1024):
    return region_mask(np.zeros((side, side, 3), np.uint8), name, Found())


def value(name, right, down):
    """The mask at a place given in millimetres from the middle between the eyes."""
    x, y = ((CENTRE + MILLIMETRE * np.array([right, down])) * SIDE / 1024).astype(int)
    return float(mask(name)[0, 0, y, x])


PLACES = {"mouth": (0, 68), "eyes": (31, 0), "face": (0, 29), "hair": (0, -100), "background": (-120, -100)}


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_holds_its_own_place_and_leaves_the_others_out(name):
    found = mask(name)
    assert found.shape == (1, 1, SIDE, SIDE) and found.min() >= 0 and found.max() <= 1
    assert value(name, *PLACES[name]) > 0.95
    for other, place in PLACES.items():
        if other != name and not (name == "face" and other in ("mouth", "eyes")):
            assert value(name, *place) < 0.05, other


@pytest.mark.parametrize("name", REGIONS)
def test_the_border_is_soft_and_both_halves_are_alike(name):
    found = mask(name)
    assert (found[..., 1:] - found[..., :-1]).abs().max() < 0.2
    assert (found - found.flip(-1)).abs().mean() < 0.02


def test_the_shoulders_are_no_background():
    assert value("background", 0, 133) < 0.05
    assert value("background", 0, 110) < 0.05


def test_what_is_no_region():
    with pytest.raises(UnknownNameError, match="did you mean 'mouth'"):
        mask("mouht")


def test_a_picture_without_a_face():
    class Nobody(FaceDetector):
        def find(self, pixels):
            raise FaceError("none")

    with pytest.raises(FaceError):
        region_mask(np.zeros((64, 64, 3), np.uint8), "mouth", Nobody())


def test_the_size_of_the_crop_does_not_matter():
    class Half(Found):
        def find(self, pixels):
            (face,) = super().find(pixels)
            return [DetectedFace(face.box, face.landmarks / 2)]

    half = region_mask(np.zeros((512, 512, 3), np.uint8), "eyes", Half())
    assert (half - mask("eyes")).abs().max() < 0.05
