"""Head pose from landmarks: a rigid 3-D face under weak perspective, fitted by least squares.

p_i = s P R (X_i) + t, where P drops depth. x and y of the 3-D face are the symmetrised mean of dlib's landmarks over
232 frontal faces (generated ones and portraits). Depth was set by hand from common facial proportions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Landmarks 17 to 67 of the iBUG scheme, the left half of the picture and the middle: millimetres right of the middle,
# below the eyes and before the root of the nose. The distance between the eyes is 63 mm.
HALF = {
    17: (-58.8, -10.0, -30), 18: (-50.0, -18.7, -15), 19: (-37.0, -21.4, -5), 20: (-23.8, -19.7, 1),
    21: (-11.4, -14.8, 3), 27: (0, -2.0, 0), 28: (0, 10.3, 6), 29: (0, 22.6, 13), 30: (0, 35.2, 20),
    31: (-15.1, 42.4, 1), 32: (-7.9, 45.0, 6), 33: (0, 47.4, 7), 36: (-43.6, 0.3, -26), 37: (-35.8, -3.8, -16),
    38: (-27.0, -3.7, -12), 39: (-18.9, 1.7, -13), 40: (-27.4, 2.8, -13), 41: (-36.2, 2.8, -17),
    48: (-30.4, 63.6, -8), 49: (-19.2, 60.2, 2), 50: (-8.1, 58.6, 7), 51: (0, 60.4, 8), 57: (0, 80.6, 5),
    58: (-8.8, 79.6, 3), 59: (-19.7, 74.7, -1), 60: (-26.3, 64.3, -7), 61: (-8.2, 63.8, 5), 62: (0, 64.7, 6),
    66: (0, 72.1, 5), 67: (-8.4, 71.1, 4),
}  # fmt: skip
MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46,
    39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
RIGID = (*range(27, 36), 36, 39, 42, 45)  # nose and corners of the eyes: what no expression moves
FIVE = (45, 42, 36, 39, 33)  # the landmarks that dlib's five-point model finds, in its order
INNER = slice(17, 68)  # the landmarks that FACE holds; the contour of the jaw slides when the head turns
OUTLIER = 3.0  # millimetres: beyond, a landmark's pull grows linearly; a good fit leaves 1


def _whole() -> Float[np.ndarray, "51 3"]:
    mirrored = {MIRRORED[k]: (-x, y, z) for k, (x, y, z) in HALF.items()}
    return np.array([(mirrored | HALF)[k] for k in range(17, 68)], dtype=np.float64)


FACE = _whole()


@dataclass(frozen=True)
class Pose:
    """Angles in degrees, zero for the mean frontal face.

    Attributes:
        yaw: To the right side of the image.
        pitch: Upwards.
        roll: Clockwise as seen.
        scale: Pixels per millimetre.
        residual: Root mean square error of the fit, in millimetres.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    residual: float
    middle: Float[np.ndarray, " 2"]
    centre: Float[np.ndarray, " 3"]

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """The rotation matrix from the face to the image."""
        return _rotation(*np.radians([self.yaw, self.pitch, self.roll]))


def fit_pose(points: Float[np.ndarray, "k 2"], face: Float[np.ndarray, "k 3"]) -> Pose:
    """The pose in which the 3-D points [K, 3], mm, appear at [K, 2], pixels; robust to a few outliers."""
    from scipy.optimize import least_squares  # noqa: PLC0415  (slow to import)

    middle, centre = points.mean(0), face.mean(0)
    seen, solid = points - middle, face - centre
    unit = np.sqrt((seen**2).sum() / (solid[:, :2] ** 2).sum())  # pixels a millimetre, were it seen from the front

    def errors(v: np.ndarray) -> np.ndarray:
        return ((v[3] * solid @ _rotation(v[0], v[1], v[2]).T)[:, :2] - seen / unit).ravel()

    roll = np.angle(np.vdot(*(x[:, 0] + 1j * x[:, 1] for x in (solid, seen))))
    found = least_squares(errors, [0, 0, roll, 1], loss="soft_l1", f_scale=OUTLIER)
    yaw, pitch, roll = (float(x) for x in np.degrees(found.x[:3]))
    residual = float(np.sqrt((errors(found.x) ** 2).sum() / len(points)))
    return Pose(yaw, pitch, roll, float(unit * found.x[3]), residual, middle, centre)


def frontal(points: Float[np.ndarray, "51 2"], pose: Pose) -> Float[np.ndarray, "51 2"]:
    """The landmarks 17 to 67 as seen from the front, in millimetres; depth is that of the 3-D face."""
    turn = pose.rotation
    seen = (points - pose.middle) / pose.scale - (FACE - pose.centre)[:, 2:] @ turn[:2, 2:].T
    return seen @ np.linalg.inv(turn[:2, :2]).T + pose.centre[:2]


def _rotation(yaw: float, pitch: float, roll: float) -> Float[np.ndarray, "3 3"]:
    """Pitch, then yaw, then roll (radians), with x to the right, y down and z towards the viewer."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
