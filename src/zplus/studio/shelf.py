"""The gallery: past inversions in a folder that the user named, each in a folder of its own with an id for a name."""

import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from zplus.errors import ZplusError
from zplus.faces.align import Aligned, crop
from zplus.files import atomic
from zplus.images import fitted, read_image, write_image
from zplus.latent import Latent, load_latent, save_latent
from zplus.studio.pictures import Pixels

ID = re.compile(r"[0-9a-f]{32}")
LATENT, PHOTO, FACTS, LOOK = "it.latent.safetensors", "photo.png", "facts.json", "look.webp"
THUMBNAIL = 192


@dataclass(frozen=True)
class Item:
    """An inversion that was kept."""

    key: str
    name: str
    model: str
    space: str
    day: str


class Shelf:
    """The folder, made if it is missing."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ZplusError(f"The folder {folder} cannot be made ({error.strerror}): choose another place.") from error

    def items(self) -> list[Item]:
        """All that is kept, the newest first; what cannot be read is passed over."""
        found = []
        for path in self.folder.iterdir():
            try:
                if ID.fullmatch(path.name):
                    facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
                    texts = [str(facts[name]) for name in ("name", "model", "space", "day")]
                    found.append((float(facts["time"]), Item(path.name, *texts)))
            except (OSError, ValueError, LookupError, TypeError):
                continue
        return [item for _, item in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def add(self, name: str, model: str, latent: Latent, target: Aligned | None, look: Pixels) -> str:
        """Keep an inversion and the photo that it is of; its id. `facts.json` comes last and makes it whole."""
        key = secrets.token_hex(16)
        place = self.folder / key
        place.mkdir()
        facts = {"name": name, "model": model, "space": latent.space, "time": time.time()}
        facts |= {"day": time.strftime("%Y-%m-%d %H:%M")}
        if target is not None:
            facts["quad"] = target.quad.tolist()
            with atomic(place / PHOTO) as temporary:  # the user's own photo as it is: no model edited it
                Image.fromarray(target.photo).save(temporary, compress_level=1)
        self.update(key, latent, look)
        with atomic(place / FACTS) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        return key

    def update(self, key: str, latent: Latent, look: Pixels) -> None:
        """The edits have changed."""
        place = self._place(key)
        save_latent(latent, place / LATENT)
        write_image(place / LOOK, fitted(look, THUMBNAIL))

    def open(self, key: str, size: int | None = None) -> tuple[Latent, Aligned | None, Item]:
        """What is kept under an id; the crop of the photo is `size` pixels a side, and left out without."""
        place = self._place(key)
        item = next((item for item in self.items() if item.key == key), None)
        if item is None:
            raise ZplusError("This is no longer in the gallery: load the page again.")
        latent, target = load_latent(place / LATENT), None
        if size and (place / PHOTO).is_file():
            target = crop(read_image(place / PHOTO), _quad(place / FACTS), size)
        return latent, target, item

    def look(self, key: str) -> Pixels:
        """Its small picture."""
        return read_image(self._place(key) / LOOK)

    def delete(self, key: str) -> None:
        """Remove it from the disk."""
        shutil.rmtree(self._place(key))

    def _place(self, key: str) -> Path:
        """The folder of an id; anything but an id of this gallery is refused."""
        place = self.folder / key if ID.fullmatch(key) else self.folder
        if place == self.folder or place.is_symlink() or not place.is_dir():
            raise ZplusError("This is no longer in the gallery: load the page again.")
        return place


def _quad(facts: Path) -> Float[np.ndarray, "4 2"]:
    """Where the crop lies in the photo."""
    try:
        quad = np.array(json.loads(facts.read_text(encoding="utf-8"))["quad"], dtype=float)
    except (OSError, ValueError, LookupError, TypeError):
        quad = np.zeros(0)
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise ZplusError("This part of the gallery is damaged: delete its folder.")
    return quad
