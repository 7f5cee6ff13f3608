"""What a visitor has brought or drawn, a photo with its faces or a face without a photo; and what is open of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from zplus.faces.align import Aligned
from zplus.faces.detector import DetectedFace
from zplus.images import fitted, to_pixels
from zplus.latent import Latent
from zplus.spaces import render
from zplus.studio.opened import PREVIEW, Opened
from zplus.studio.pictures import picture_url
from zplus.workflow.editing import finished
from zplus.workflow.photo import Pixels

THUMBNAIL = 96


@dataclass(eq=False)
class Entry:
    """A photo with its faces, or one face without a photo.

    Attributes:
        number: Its own among all of a visitor.
        name: What the file was called, without its ending.
        photo: uint8 RGB [H, W, 3]; None for a latent or a sample.
        file: What the file was called.
        faces: By the number that the command line gives them, the largest first.
        why_no_face: Why there are none, in words.
        opened: What is open of it, by the number of the face, in the order in which it came.
        face: The number of the face that the sliders belong to.
        found: Latents that were found before, by how.
    """

    number: int
    name: str
    photo: Pixels | None = None
    file: str = ""
    faces: Sequence[DetectedFace] = ()
    why_no_face: str = ""
    opened: dict[int, Opened] = field(default_factory=dict)
    face: int | None = None
    found: dict[tuple[str, ...], Latent] = field(default_factory=dict)

    @property
    def now(self) -> Opened | None:
        """What the sliders belong to."""
        return None if self.face is None else self.opened.get(self.face)

    @property
    def ranked(self) -> list[int]:
        """The numbers of the faces, the likeliest to be meant first: sure and large, so that no face at all is last."""
        return sorted(range(len(self.faces)), key=lambda i: -self.faces[i].score * _area(self.faces[i]))

    @property
    def is_untouched_sample(self) -> bool:
        """Whether it is a sample that was looked at, and no more."""
        return self.photo is None and all(
            one.about.origin.seed is not None and not one.history.can_undo for one in self.opened.values()
        )

    @cached_property
    def shown(self) -> Pixels | None:
        """The photo as large as the page shows it."""
        return None if self.photo is None else fitted(self.photo, PREVIEW)

    @cached_property
    def photo_url(self) -> str:
        """The address of the photo as the page shows it."""
        return "" if self.shown is None else picture_url(self.shown, edited=False)

    @cached_property
    def thumbnail(self) -> str:
        """The address of a small picture."""
        if self.photo is not None:
            return picture_url(fitted(self.photo, THUMBNAIL), edited=False)
        return picture_url(fitted(to_pixels(next(iter(self.opened.values())).reconstruction), THUMBNAIL))

    def check(self) -> None:
        """Make every image of it that the page shows. Raises an error where one cannot be made."""
        _ = self.thumbnail, self.photo_url
        for one in self.opened.values():
            one.before(), one.after()
        if self.photo is not None:
            self.preview()

    def preview(self) -> Pixels:
        """The photo with all its edited faces, as large as the page shows it."""
        assert self.shown is not None
        pixels, faces = self.shown, list(self.opened.values())  # a job may add another
        for one in faces:
            pixels = one.pasted(pixels, [x.small for x in faces if x is not one])
        return pixels

    def finished(self) -> Pixels:
        """The photo with all its edited faces, at its own size."""
        assert self.photo is not None
        pixels, faces = self.photo, list(self.opened.values())  # a job may add another
        for one in faces:
            others: list[Aligned] = [x.target for x in faces if x is not one]
            with one.lock:
                edited = one.edited(one.state)
                image = render(one.generator, edited)[0].cpu()
                pixels = finished(one.generator, edited, image, one.target, "keep", others, pixels)
        return pixels


def _area(face: DetectedFace) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
