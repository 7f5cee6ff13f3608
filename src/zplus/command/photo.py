"""From the file of a photo to an aligned face; the command `align`."""

from pathlib import Path

from zplus.command.outputs import output_file
from zplus.command.show import Show
from zplus.errors import FaceError
from zplus.faces.align import Aligned, choose, crop, quad_of, whole
from zplus.faces.detector import FaceDetector
from zplus.images import read_image, write_image


def aligned_face(path: Path, size: int, face: int, show: Show, align: bool = True) -> Aligned:
    """The crop of a face of a photo; without `align` the square in its middle. FaceError names the photo."""
    photo = read_image(path)
    if not align:
        return whole(photo, size)
    try:
        faces = FaceDetector().find(photo)
        chosen = choose(faces, face)
    except FaceError as error:
        raise FaceError(f"{path}: {error}") from error
    if len(faces) > 1:
        others = f"--face 0 to --face {len(faces) - 1} choose, 0 is the largest"
        show.say(f"{path}: {len(faces)} faces were found, face {face} is taken ({others}).")
    return crop(photo, quad_of(chosen.landmarks), size)


def align_photo(path: Path, out: Path, face: int, size: int, show: Show) -> None:
    """Write the crop of a face."""
    output_file(out, path)
    with show.stage("Looking for faces"):
        aligned = aligned_face(path, size, face, show)
    write_image(out, aligned.pixels, "aligned")
    data = {"photo": path, "aligned": out, "size": size, "face": face, "quad": aligned.quad.tolist()}
    show.result(data, f"{path} -> {out}")
