"""What is done of a film, frame by frame, in a folder beside the result, so that a killed run goes on."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zplus.errors import ZplusError
from zplus.faces.detector import DetectedFace
from zplus.files import make_folder, unlinked
from zplus.workflow.json_files import plain, read_json, write_json

KEY = "film.json"


@dataclass(frozen=True)
class FilmWork:
    """A folder for its owner alone. Each file in it is whole, and later ones follow from earlier ones."""

    folder: Path

    def crop(self, i: int) -> Path:
        """The square of the face."""
        return self.folder / f"{i:06d}.crop.png"

    def latent(self, i: int) -> Path:
        """The inverted crop."""
        return self.folder / f"{i:06d}.latent.safetensors"

    def patch(self, i: int) -> Path:
        """The part of the frame that the edit changes."""
        return self.folder / f"{i:06d}.patch.png"

    def faces(self, i: int) -> list[DetectedFace] | None:
        """The faces that were found in a frame; None where none were looked for yet."""
        record = read_json(self._faces(i))
        if record is None:
            return None
        return [DetectedFace(tuple(one["box"]), np.array(one["landmarks"])) for one in record["faces"]]

    def keep_faces(self, i: int, faces: Sequence[DetectedFace]) -> None:
        """Keep the faces of a frame."""
        write_json(self._faces(i), {"faces": [{"box": x.box, "landmarks": x.landmarks.tolist()} for x in faces]})

    def remove(self) -> None:
        """Remove all, once the film is written; what says whose the folder is goes last."""
        for path in self.folder.iterdir():
            if path.name != KEY:
                path.unlink()
        shutil.rmtree(self.folder)

    def _faces(self, i: int) -> Path:
        return self.folder / f"{i:06d}.faces.json"


def open_work(out: Path, key: Mapping[str, Any]) -> FilmWork:
    """The work folder of a film, emptied if it belongs to other content or settings.

    Args:
        out: The film that will be written.
        key: All that determines it.

    Raises:
        ZplusError: There is a folder of that name that is none of ours.
    """
    work = FilmWork(unlinked(out.with_name(f"{out.name}.work")))
    record = work.folder / KEY
    known = plain(key)
    if work.folder.exists() and read_json(record) != known:
        if not work.folder.is_dir() or (any(work.folder.iterdir()) and not record.is_file()):
            raise ZplusError(f"{work.folder} is in the way: frames in work go there. Move it, or give another name.")
        work.remove()
    make_folder(work.folder)
    if not record.exists():
        write_json(record, known)
    return work
