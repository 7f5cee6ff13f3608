"""What one visitor does: a photo, its faces, an inversion that can be stopped, and the edits. It knows no page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from zplus.errors import DownloadError, FaceError, LatentError, MissingExtraError, ZplusError
from zplus.faces.align import Aligned, choose, crop, quad_of, whole
from zplus.faces.landmarks import Face
from zplus.generators import Generator
from zplus.images import read_image, to_pixels
from zplus.inversion import invert
from zplus.inversion.execution import has_compiler
from zplus.latent import Latent, Point, load_latent
from zplus.spaces import convert, latent_of, make_space
from zplus.studio.job import Job
from zplus.studio.models import Models, chosen
from zplus.studio.opened import Opened, Wish
from zplus.studio.passing import taken_in
from zplus.studio.pictures import Pixels
from zplus.studio.shelf import Shelf

AS_IT_IS = -1  # the number of no face: the picture is cut already
SAMPLE_PSI = 0.7  # truncation of sampled faces; without it some are odd
THUMBNAIL = 128
REST = 1.0  # seconds after the last move of a slider


@dataclass(frozen=True)
class How:
    """How a photo is to be inverted: names as on the command line, and the number of the face."""

    model: str
    space: str = "f/z+"
    quality: str = "standard"
    face: int = 0


class Session:
    """One visitor's work, in memory; on the disk only what goes to the shelf, where there is one."""

    def __init__(self, models: Models, shelf: Shelf | None = None):
        self.models, self.shelf = models, shelf
        self.job: Job | None = None
        self._saving: Timer | None = None
        self.forget()

    def forget(self) -> None:
        """Drop the photo, the latent and all edits, and stop what runs. What is on the shelf stays."""
        if self.job is not None:
            self.job.stop("drop")
        if self._saving is not None:
            self._saving.cancel()
        self.job = None
        self.photo: Pixels | None = None
        self.name = ""
        self.faces: list[Face] = []
        self.why_no_face = ""
        self.in_photo = False  # whether the page shows the whole photo
        self.trouble = ""  # of saving in the background
        self.opened: Opened | None = None
        self.kept: str | None = None  # the id on the shelf
        self.model = ""
        self._target: Aligned | None = None
        self._latents: dict[tuple[str, ...], Latent] = {}  # of this crop, by how they were found

    def delete(self) -> None:
        """Forget it, and remove what is open from the shelf."""
        if self.shelf is not None and self.kept is not None:
            self.shelf.delete(self.kept)
        self.forget()

    def take(self, content: bytes, name: str) -> str:
        """Open an uploaded file: a photo, or a latent that was saved before; says what it was. Raises ZplusError."""
        stem = _stem(name)
        if content[8:9] == b"{":  # how the header of every safetensors file begins, and no picture
            self.open_latent(taken_in(content, load_latent), stem)
            return "latent"
        self.take_photo(taken_in(content, read_image), stem)
        return "photo"

    def take_photo(self, pixels: Pixels, name: str) -> None:
        """Begin with a photo and look for the faces in it."""
        self.forget()
        self.photo, self.name = pixels, name
        try:
            self.faces = self.models.finder.find(pixels)
        except (FaceError, DownloadError, MissingExtraError) as error:
            self.why_no_face = str(error)

    def thumbnails(self) -> list[Pixels]:
        """The faces of the photo, the largest first, each as a small crop."""
        assert self.photo is not None
        return [crop(self.photo, quad_of(face.landmarks), THUMBNAIL).pixels for face in self.faces]

    def invert(self, how: How) -> Job:
        """Begin to invert the photo; the job tells how far it is, and `opened` is there once it has ended."""
        photo = self._free()
        chosen(self.models.generator(how.model), how.quality)  # unknown names are refused at once

        def work(job: Job) -> None:
            generator = self.models.generator(how.model)
            make_space(how.space, generator)
            job.stage("Cutting out the face")
            target = self._cut(photo, how.face, generator)
            latent = self._inverted(job, generator, target, how, "")
            self._open(job, latent, target, how.model)

        return self._begin(work)

    def compare(self, spaces: Sequence[str], how: How, done: Callable[[list[tuple[Pixels, str]]], None]) -> Job:
        """Begin to make the same edit in several spaces; `done` gets the pictures with their names."""
        opened, model = self._something(), self.model

        def work(job: Job) -> None:
            pictures = []
            for space in spaces:
                wanted = How(model, space, how.quality, how.face)
                generator = self.models.generator(model)
                latent = self._inverted(job, generator, opened.target, wanted, f" in {space.upper()}")
                other = Opened(generator, opened.sliders, latent, opened.target, self.models.execution, self.name)
                job.stage(f"The edit in {space.upper()}")
                pictures.append((to_pixels(other.picture(opened.wish)), space.upper()))
            done(pictures)

        return self._begin(work)

    def sample(self, model: str, space: str, seed: int) -> None:
        """Open a face of nobody, drawn from the prior of a model."""
        if not 0 <= seed < 2**31:
            raise ZplusError("A seed is a whole number from 0 to 2147483647.")
        generator = self.models.generator(model)
        start, kind = (make_space(name, generator, psi=SAMPLE_PSI) for name in ("z", space))
        point, _ = convert(start, Point(start.sample(1, seed)), kind)
        self.forget()
        self.name = f"sample-{seed}"
        self._open(None, latent_of(kind, point, settings={"seed": seed}), None, model, keep=False)

    def open_latent(self, latent: Latent, name: str, target: Aligned | None = None) -> None:
        """Go on with a latent, with its photo if that is here. Raises LatentError where its model is not."""
        model = next((n for n in self.models.names if self._made(n, latent)), None)
        if model is None:
            raise LatentError(
                f"This latent belongs to the model {latent.generator[:60]} ({latent.fingerprint[:16]}), which is not "
                "here: run 'zplus pull', or start the studio with --model FILE."
            )
        self.forget()
        self.name = name
        self._open(None, latent[0], target, model, keep=False)

    def reopen(self, key: str) -> None:
        """Go on with what lies on the shelf."""
        if self.shelf is None:
            raise ZplusError("There is no gallery: start the studio with --keep FOLDER.")
        model = self.shelf.open(key)[2].model
        latent, target, item = self.shelf.open(key, self.models.generator(model).resolution)
        self.open_latent(latent, item.name, target)
        self.kept = key

    def save_soon(self) -> None:
        """Bring the shelf up to date with the edits, once the sliders rest."""
        if self._saving is not None:
            self._saving.cancel()
        self._saving = Timer(REST, self._save_alone)
        self._saving.daemon = True
        self._saving.start()

    def save(self) -> None:
        """Bring the shelf up to date with the edits."""
        if self.shelf is not None and self.kept is not None and self.opened is not None:
            self.shelf.update(self.kept, self.opened.edited(self.opened.wish), self.opened.after(False))

    def _save_alone(self) -> None:
        """In a thread, where nobody is told of an error at once."""
        try:
            self.save()
            self.trouble = ""
        except (ZplusError, OSError) as error:
            self.trouble = f"The last edits are not in the gallery: {error}"

    def move(self, wish: Wish) -> None:
        """The sliders were moved."""
        self._something().move(wish)

    def _something(self) -> Opened:
        if self.opened is None:
            raise ZplusError("There is nothing to edit yet: begin with a photo, or sample a face.")
        return self.opened

    def _free(self) -> Pixels:
        if self.photo is None:
            raise ZplusError("There is no photo yet: drop one, or choose a file.")
        return self.photo

    def _begin(self, work: Callable[[Job], None]) -> Job:
        if self.job is not None and self.job.running:
            raise ZplusError("An inversion is running: wait for it, or cancel it.")
        self.job = Job(work)
        return self.job

    def _cut(self, photo: Pixels, face: int, generator: Generator) -> Aligned:
        if face == AS_IT_IS:
            return whole(photo, generator.resolution)
        if not self.faces:
            raise FaceError("No face was found in this photo: take another, or say that it is cut already.")
        return crop(photo, quad_of(choose(self.faces, face).landmarks), generator.resolution)

    def _inverted(self, job: Job, generator: Generator, target: Aligned, how: How, where: str) -> Latent:
        """The latent of a crop, found now or before; one inversion runs at a time on this machine."""
        key = (how.model, how.space, how.quality, str(target.quad.tolist()))
        if key in self._latents:
            return self._latents[key]
        method, settings = chosen(generator, how.quality)
        job.stage("Waiting until another inversion on this machine has ended")
        job.wait_for(lambda: self.models.turn.acquire(blocking=False))
        try:
            slow = "" if has_compiler() else " (no compiler is here, so it takes several times as long)"
            job.stage(f"Inverting{where}{slow}")
            execution, count = self.models.execution, settings.steps
            latent = invert(
                generator, target.image, how.space, method, callback=job.step, execution=execution, steps=count
            )
        finally:
            self.models.turn.release()
        if not job.stopped:
            self._latents[key] = latent
        return latent

    def _open(self, job: Job | None, latent: Latent, target: Aligned | None, model: str, keep: bool = True) -> None:
        if job is not None:
            job.stage("Getting the sliders ready")
        generator, sliders = self.models.generator(model), self.models.sliders(model)
        opened = Opened(generator, sliders, latent, target, self.models.execution, self.name or "picture")
        look = opened.reconstruction_pixels  # computed here, so that the first slider does not wait for a compiler
        if job is not None:
            job.stage("Ready")  # no longer, if it was cancelled meanwhile
        self.opened, self.model = opened, model
        if keep and self.shelf is not None:
            self.kept = self.shelf.add(self.name or "picture", model, latent, target, look)

    def _made(self, model: str, latent: Latent) -> bool:
        own = model in self.models.files or model == latent.generator  # others need not be loaded to know
        return own and self.models.generator(model).fingerprint == latent.fingerprint


def _stem(name: str) -> str:
    """What a file was called, without its ending and whatever a file name should not hold."""
    stem = Path(name.replace("\\", "/")).name.partition(".")[0]
    return "".join(c for c in stem if c.isalnum() or c in "-_ ")[:60].strip() or "picture"
