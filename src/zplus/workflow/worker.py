"""Align and invert photos, with networks that are loaded once: in this process, or in one of a cluster's."""

import errno
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from zplus.errors import ZplusError
from zplus.faces.align import Aligned
from zplus.faces.detector import FaceDetector
from zplus.files import FULL, REFUSED, unlinked
from zplus.images import to_pixels, write_image
from zplus.inversion.batch_size import batch_size
from zplus.latent import Latent, save_latent
from zplus.perception.quality import FIGURES
from zplus.workflow.callbacks import SILENT, Callbacks, collecting
from zplus.workflow.finished import Files, Record
from zplus.workflow.inverting import halved, load_inverter
from zplus.workflow.json_files import write_json
from zplus.workflow.options import InvertOptions
from zplus.workflow.photo import aligned_faces, crop_doubts


@dataclass(frozen=True)
class Crop:
    """A face that is to be inverted.

    Attributes:
        aligned: The crop; of its photo one pixel is left, because those of many photos would fill the memory.
        record: What the record says of it already.
        warnings: What there is to be said of the crop.
    """

    files: Files
    aligned: Aligned
    record: Record
    warnings: list[str]


@dataclass(frozen=True)
class Entry:
    """A photo on its way. It has crops that are to be inverted, or records that are finished, or an error."""

    photo: Path
    crops: list[Crop] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    error: Exception | None = None
    said: list[str] = field(default_factory=list)


class Worker:
    """Aligns and inverts photos.

    Args:
        options: How photos are inverted.
        batch: How many faces are inverted at once; None for as many as suit the memory and the processor.
        photos: About how many there are.
        threads: Of the processor; None for torch's own number.
        callbacks: See `Callbacks`.

    Attributes:
        inverter: The networks.
        size: How many faces are inverted at once.
    """

    def __init__(
        self,
        options: InvertOptions,
        batch: int | None = None,
        photos: int = 1,
        threads: int | None = None,
        callbacks: Callbacks = SILENT,
    ):
        if threads:
            torch.set_num_threads(threads)
        self.inverter = load_inverter(options, callbacks, photos)
        self.options, self.callbacks = options, callbacks
        if batch and batch > 1 and "pti" in self.inverter.settings.stages:
            raise ZplusError("PTI tunes the weights to one photo at a time: leave the size of the batch open.")
        most = batch or batch_size(self.inverter.generator, self.inverter.settings)
        self.size = most if batch or options.face == "all" else math.ceil(photos / math.ceil(photos / most))
        self.detector = FaceDetector()

    def batch_size(self) -> int:
        """How many faces are inverted at once."""
        return self.size

    def align(self, photo: Path, files: Files, key: Record) -> Entry:
        """Read a photo and crop its faces."""
        said: list[str] = []
        options, side, told = self.options, self.inverter.generator.resolution, Callbacks(say=said.append)
        try:
            found = aligned_faces(photo, side, options.face, options.align, told, self.detector)
            places = [files.face(i) for i in range(len(found))] if options.face == "all" else [files]
            for own in places:
                for path in (own.record, *own.pictures.values()):
                    unlinked(path)
        except Exception as error:
            return Entry(photo, error=error, said=said)
        crops = []
        for i, (aligned, own) in enumerate(zip(found, places, strict=True)):
            facts = {"face": i, "faces": len(found)} if options.face == "all" else {}
            record = facts | {"photo": photo, "quad": aligned.quad.tolist()} | key
            crops.append(Crop(own, replace(aligned, photo=aligned.pixels[:1, :1]), record, crop_doubts(aligned)))
        return Entry(photo, crops, said=said)

    def invert(self, crops: list[Crop], callbacks: Callbacks = SILENT, title: str = "") -> list[Record | Exception]:
        """Invert crops, judge them and write their files.

        Returns:
            For each its record, or the exception that it caused.

        Raises:
            ZplusError: No more can be written, or the memory does not suffice for one photo.
        """
        found: list[Record | Exception] = []
        # a copy, since what Ray passes on cannot be written to
        crops = [replace(x, aligned=replace(x.aligned, pixels=x.aligned.pixels.copy())) for x in crops]
        for crop, latent in zip(crops, self._latents(crops, callbacks, title), strict=True):
            try:
                found.append(latent if isinstance(latent, Exception) else self._written(crop, latent, callbacks))
            except Exception as error:
                if getattr(error.__cause__ or error, "errno", None) in FULL | REFUSED | {errno.EIO}:
                    raise
                found.append(error)
        return found

    def _latents(self, crops: list[Crop], callbacks: Callbacks, title: str) -> Iterator[Latent | Exception]:
        """The latents of crops, in parts of `size`; that is halved when memory runs out."""
        done = 0
        while done < len(crops):
            part = crops[done : done + self.size]
            try:
                found = self._rows(part, callbacks, title)
            except Exception as error:
                self.size = halved(self.size, error, self.callbacks)
                continue
            yield from found
            done += len(part)

    def _rows(self, crops: list[Crop], callbacks: Callbacks, title: str) -> list[Latent | Exception]:
        """The latents of up to `size` crops. One that fails is parted from the others."""
        try:
            return list(self.inverter.invert_all([crop.aligned for crop in crops], self.size, callbacks, title))
        except ZplusError as error:
            if len(crops) == 1:
                return [error]
            return [found for crop in crops for found in self._rows([crop], callbacks, title)]

    def _written(self, crop: Crop, latent: Latent, callbacks: Callbacks) -> Record:
        """Judge an inversion and write its files; the record comes last."""
        paths = crop.files.pictures
        callbacks, warnings = collecting(callbacks)
        for line in crop.warnings:
            callbacks.warn(line)
        image, facts = self.inverter.judge(latent, crop.aligned, callbacks)
        crop.files.record.unlink(missing_ok=True)  # until all is new again
        save_latent(_with_figures(latent, facts), paths["latent"])
        write_image(paths["reconstruction"], to_pixels(image[0]), "inverted")
        write_image(paths["aligned"], crop.aligned.pixels, "aligned")
        record = facts | {"warnings": [*self.inverter.warnings, *warnings]} | paths | crop.record
        write_json(crop.files.record, record)
        return record


def _with_figures(latent: Latent, facts: Record) -> Latent:
    """The latent with its quality among its figures, where it is known."""
    known = {name: [facts[name]] for name in FIGURES if math.isfinite(facts[name])}
    return replace(latent, figures=latent.figures | known)
