"""A face through a film: which one it is, where it is lost, and how its landmarks are smoothed."""

import numpy as np
import pytest

from films import face_at, landmarks_at
from zplus.errors import FaceError
from zplus.faces.align import quad_of
from zplus.faces.track import Piece, follow, pieces, smoothed

RATE = 25.0


def path(frames: int) -> np.ndarray:
    """Landmarks of a head that goes to and fro in two seconds, [T, 68, 2]."""
    return np.stack([landmarks_at(300 + 60 * np.sin(np.pi * t / 25), 200, 80) for t in range(frames)])


def jitter(track: np.ndarray) -> float:
    """The mean length of the second difference of the crop's corners, in pixels."""
    quads = np.stack([quad_of(landmarks) for landmarks in track])
    return float(np.linalg.norm(np.diff(quads, 2, axis=0), axis=-1).mean())


def test_tremble_goes_and_movement_stays():
    true = path(60)
    noisy = true + 1.5 * np.random.RandomState(0).standard_normal(true.shape)
    found = smoothed(noisy, RATE)
    assert jitter(found) < 0.2 * jitter(noisy)
    quads, wanted, before = (np.stack([quad_of(x) for x in track]) for track in (found, true, noisy))
    assert np.abs(quads - wanted).mean() < 0.6 * np.abs(before - wanted).mean()
    assert np.abs(smoothed(true, RATE) - true).max() < 1.5  # of 60 pixels: turning points are kept
    moved = [np.argmax(track[:40, 30, 0]) for track in (true, found)]
    assert abs(moved[0] - moved[1]) <= 1  # no delay


def test_a_line_and_a_parabola_are_kept_to_the_ends():
    t = np.arange(40.0)
    track = np.stack([3 * t, 0.2 * t**2], -1)[:, None].repeat(68, 1)
    assert np.allclose(smoothed(track, RATE), track)


def test_a_frame_with_other_landmarks_is_passed_over():
    true = path(40)
    noisy = true + 0.3 * np.random.RandomState(0).standard_normal(true.shape)
    noisy[20] += 50
    assert np.abs(smoothed(noisy, RATE) - true).max() < 2


def test_frames_without_landmarks_are_bridged():
    true = path(40)
    holed = true.copy()
    holed[12:18] = np.nan
    assert np.abs(smoothed(holed, RATE) - true).max() < 3


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_pieces(frames):
    assert np.allclose(smoothed(path(frames), RATE), path(frames), atol=1e-6)


def test_short_gaps_do_not_end_a_piece():
    seen = [True] * 3 + [False] * 12 + [True] * 2 + [False] * 13 + [True]
    assert pieces(seen, RATE) == [Piece(0, 17), Piece(30, 31)]
    assert pieces([False, False], RATE) == []


def test_a_face_is_followed_by_overlap_both_ways():
    """The second face of frame 1 becomes the largest later, and a third comes and goes."""
    frames = [
        [face_at(300, 100, 32)],
        [face_at(100, 100, 40), face_at(304, 100, 33)],
        [face_at(308, 100, 44), face_at(100, 100, 40)],
        [face_at(500, 100, 60)],
        [face_at(310, 100, 44), face_at(100, 100, 40)],
    ]
    assert [face and face.box[0] for face in follow(frames, 1)] == [268, 271, 264, None, 266]
    assert [face and face.box[0] for face in follow(frames[1:], 0)] == [60, 60, None, 60]
    with pytest.raises(FaceError, match="There is no face 2: faces 0 to 1 were found"):
        follow(frames, 2)
