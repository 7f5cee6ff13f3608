"""The gallery: past inversions in a folder that the user named, each in a folder of its own with an id for a name."""

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zplus.errors import ZplusError
from zplus.faces.align import Aligned, crop
from zplus.files import atomic, make_folder
from zplus.images import fitted, read_image, write_image
from zplus.latent import Latent, load_latent, save_latent
from zplus.workflow.photo import Pixels

ID = re.compile(r"[0-9a-f]{32}")
LATENT, PHOTO, FACTS, LOOK = "it.latent.safetensors", "photo.png", "facts.json", "look.webp"
THUMBNAIL = 192
GONE = "This is no longer in the gallery: load the page again."


@dataclass(frozen=True)
class Item:
    """An inversion that was kept. quad: where the crop lies in the photo, as the file says."""

    key: str
    name: str
    model: str
    space: str
    day: str
    time: float
    quad: Any = None


class Shelf:
    """The folder, made if it is missing."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            make_folder(folder)
        except OSError as error:
            raise ZplusError(f"The folder {folder} cannot be made ({error.strerror}): choose another place.") from error

    def items(self) -> list[Item]:
        """All that is kept, the newest first; what cannot be read is passed over."""
        found = []
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        for path in filter(lambda path: ID.fullmatch(path.name), there):
            try:
                facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
                name, model, space, day = (str(facts[x]) for x in ("name", "model", "space", "day"))
                found.append(Item(path.name, name, model, space, day, float(facts["time"]), facts.get("quad")))
            except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
                continue
        return sorted(found, key=lambda item: item.time, reverse=True)

    def add(self, name: str, model: str, latent: Latent, target: Aligned | None, look: Pixels) -> str:
        """Keep an inversion and the photo that it is of; its id. `facts.json` comes last and makes it whole."""
        key = secrets.token_hex(16)
        place = self.folder / key
        make_folder(place)
        facts: dict[str, Any] = {"name": name, "model": model, "space": latent.space}
        facts |= {"time": time.time(), "day": time.strftime("%Y-%m-%d %H:%M")}
        try:
            if target is not None:
                facts["quad"] = target.quad.tolist()
                with atomic(place / PHOTO) as temporary:  # the user's own photo as it is: no model edited it
                    Image.fromarray(target.photo).save(temporary, compress_level=1)
            self.update(key, latent, look)
            with atomic(place / FACTS) as temporary:
                temporary.write_text(json.dumps(facts), encoding="utf-8")
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)  # a photo that nobody could find to delete
            raise
        return key

    def update(self, key: str, latent: Latent, look: Pixels) -> None:
        """The edits have changed."""
        place = self._place(key)
        save_latent(latent, place / LATENT)
        write_image(place / LOOK, fitted(look, THUMBNAIL))

    def item(self, key: str) -> Item:
        """What is known of it."""
        for item in self.items():
            if item.key == key:
                return item
        raise ZplusError(GONE)

    def latent(self, key: str) -> Latent:
        """Its latent, with the edits."""
        return load_latent(self._place(key) / LATENT)

    def target(self, item: Item, size: int) -> Aligned | None:
        """Its photo and the crop, `size` pixels a side, where there is one."""
        photo = self._place(item.key) / PHOTO
        if not photo.is_file():
            return None
        try:
            quad = np.array(item.quad, dtype=float)
        except (ValueError, TypeError):
            quad = np.zeros(0)
        if quad.shape != (4, 2) or not np.isfinite(quad).all():
            raise ZplusError("This part of the gallery is damaged: delete its folder.")
        return crop(read_image(photo), quad, size)

    def looks(self, items: Sequence[Item]) -> list[tuple[Pixels, Item]]:
        """Their small pictures; what cannot be read, or was just deleted, is passed over."""
        found = []
        for item in items:
            with suppress(ZplusError):
                found.append((read_image(self._place(item.key) / LOOK), item))
        return found

    def delete(self, key: str) -> None:
        """Remove it from the disk, unless somebody did."""
        if not ID.fullmatch(key) or (self.folder / key).exists():
            shutil.rmtree(self._place(key))

    def _place(self, key: str) -> Path:
        """The folder of an id; anything but an id of this gallery is refused."""
        place = self.folder / key if ID.fullmatch(key) else self.folder
        if place == self.folder or not place.is_dir() or any(x.is_symlink() for x in (place, *place.iterdir())):
            raise ZplusError(GONE)
        return place
