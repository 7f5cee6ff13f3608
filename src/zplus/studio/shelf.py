"""The gallery: past inversions in a folder that the user named, each in a folder of its own with an id for a name."""

import json
import math
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
from zplus.fields import is_name
from zplus.files import atomic, make_folder, regular
from zplus.images import fitted, read_image, write_image
from zplus.latent import Latent, load_latent, save_latent
from zplus.workflow.photo import Pixels

ID = re.compile(r"[0-9a-f]{32}")
LATENT, PHOTO, FACTS, LOOK = "it.latent.safetensors", "photo.png", "facts.json", "look.webp"
THUMBNAIL = 192
MAX_FACTS = 10_000  # bytes of facts.json; zplus writes about 300
FARTHEST = 10  # sides of the photo; a crop's corners lie nearer
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
            with suppress(OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
                found.append(_item(path))
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
        except (ValueError, TypeError, OverflowError):
            quad = np.zeros(0)
        pixels = read_image(photo)
        if not _is_place(quad, max(pixels.shape[:2])):
            raise ZplusError("This part of the gallery is damaged: delete its folder.")
        return crop(pixels, quad, size)

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


def _item(folder: Path) -> Item:
    """What the facts of a folder tell. Raises OSError, or one of several others where they make no sense."""
    with open(regular(folder / FACTS), "rb") as file:
        content = file.read(MAX_FACTS + 1)
    if len(content) > MAX_FACTS:
        raise ValueError("it holds more than zplus writes")
    facts = json.loads(content)
    name, model, space, day = texts = [facts[x] for x in ("name", "model", "space", "day")]
    when = float(facts["time"])
    if not all(map(is_name, texts)) or not math.isfinite(when):
        raise ValueError("it holds a text or a time that zplus does not write")
    return Item(folder.name, name, model, space, day, when, facts.get("quad"))


def _is_place(quad: np.ndarray, side: int) -> bool:
    """Whether these are the corners of a crop: near a photo of this side, and around a pixel or more."""
    if quad.shape != (4, 2) or not (abs(quad) <= FARTHEST * side).all():
        return False
    return bool(abs(np.linalg.det([quad[3] - quad[0], quad[1] - quad[0]])) >= 1)
