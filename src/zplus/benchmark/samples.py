"""The pictures of a benchmark, and the truth of their edits where it is known.

Oracle pictures are made by the generator, from codes of several spaces and off its manifold, so that no space is at
home in all of them. Each is truly edited three ways: straight in W, along the geodesic in Z, and along one whose
direction was found in Z. Drawings come with their truth, and no latent space made it. Photos have none.
"""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.benchmark.arms import TRUTHS
from zplus.direction import Direction
from zplus.editing import edit
from zplus.errors import FaceError, ImageError, LatentError, ZplusError
from zplus.faces.align import align, whole
from zplus.faces.detector import FaceDetector
from zplus.generators import Generator
from zplus.generators.contract import fingerprint
from zplus.generators.prior import sample_w
from zplus.images import READABLE, read_image
from zplus.latent import Decoding, Latent, Point
from zplus.spaces import latent_of, make_space, render
from zplus.spaces.conversion import convert_code
from zplus.training.data import DAMAGE, opened_zip, picture_names, read_pictures, to_batch, unpacked

ORACLES = ("z", "mixed", "perturbed", "s", "noise", "occluder")
JITTER = 0.3  # of the prior's spread, by which codes of "perturbed" and "s" leave f's image
COVERED = 0.3  # of the picture's side: the occluder's
FIRST_SEED = 10_000  # of codes, beyond those that scorers learn from
ROOM = 50 * 128**2  # pixels of the pictures that are made at once
OTHER_NOISE = "1"  # the seed of noise maps that no inversion sees

Images = Float[Tensor, "n 3 r r"]
Kinds = Mapping[str, Sequence[Direction]]  # directions of the same names, by the kind of codes that they were found in


@dataclass(frozen=True)
class Samples:
    """N pictures of one source, truths of their edits by (direction, how it was defined), groups to report them by.

    A truth is nan where a code cannot follow. Photos are bytes until some are taken. side: to which the codes of truths
    moved, 1 or -1.
    """

    source: str
    names: list[str]
    images: Images | UInt8[Tensor, "n 3 r r"]
    truths: Mapping[tuple[str, str], Images]
    groups: Sequence[Mapping[str, str]]
    side: int = 1

    def __getitem__(self, rows: slice) -> "Samples":
        truths = {key: x[rows] for key, x in self.truths.items()}
        images = self.images[rows]
        images = images if images.is_floating_point() else images.float() / 127.5 - 1
        return Samples(self.source, self.names[rows], images, truths, self.groups[rows], self.side)

    @property
    def digest(self) -> str:
        """What tells these pictures, their names and groups from others."""
        shown = fingerprint({"pictures": self.images, **{"-".join(key): x for key, x in self.truths.items()}})
        told = json.dumps([shown, self.names, [*map(dict, self.groups)]])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def real(self) -> bool:
        """Whether they show people, who have not asked to be published."""
        return self.source == "photo"


def oracle(generator: Generator, source: str, count: int, seed: int, directions: Kinds, amount: float) -> Samples:
    """Pictures of the generator from one of `ORACLES`, and of the same codes moved by `amount` deviations."""
    names = [f"{source}-{seed}-{i:03d}" for i in range(count)]
    seed = FIRST_SEED + seed * len(ORACLES) + ORACLES.index(source)  # other faces in every source
    kinds = {"s": ("s",), "perturbed": ("w+",)}.get(source, ("w+", "z+"))
    noise = OTHER_NOISE if source == "noise" else "const"
    latents, size = {}, max(1, ROOM // generator.resolution**2)
    for kind in kinds:
        space, codes = (
            make_space(kind, generator, decoding=Decoding(noise=noise)),
            _codes(generator, source, kind, count, seed),
        )
        latents[kind] = [latent_of(space, Point(part)) for part in codes.split(size)]
    images = _moved(generator, latents[kinds[0]], {})
    truths = {
        (direction.name, name): _moved(generator, latents["z+" if truth.on_sphere else kinds[0]], {direction: amount})
        for name, truth in TRUTHS.items()
        if not truth.on_sphere or "z+" in kinds
        for direction in directions.get(truth.found_in, ())
    }
    if source == "occluder":
        images, truths = _covered(images, seed), {key: _covered(x, seed) for key, x in truths.items()}
    return Samples(source, names, images, truths, [{}] * count, 1 if amount >= 0 else -1)


def _moved(generator: Generator, latents: Sequence[Latent], moves: Mapping[Direction, float]) -> Images:
    """The pictures of edited codes; nan for a code that cannot follow a direction on the sphere."""
    found = []
    for latent in latents:
        try:
            found.append(render(generator, edit(generator, latent, moves, move="sphere") if moves else latent))
        except LatentError:
            one = len(latent) == 1
            rows = [latent[i] for i in range(len(latent))]
            found.append(render(generator, latent) * math.nan if one else _moved(generator, rows, moves))
    return torch.cat(found)


def drawn(path: Path, generator: Generator, attributes: Sequence[str], count: int) -> Samples:
    """The first pairs of a zip with pairs.jsonl, whose lines name a "base" picture and one for each attribute."""
    kinds = ("base", *attributes)
    try:
        with opened_zip(path) as archive:
            told = unpacked(archive, "pairs.jsonl", f"{path}/pairs.jsonl").decode()
            lines = [json.loads(line) for line in told.splitlines()[:count]]
        place = {name: i for i, name in enumerate(picture_names(path))}
        rows = {kind: [place[line[kind]] for line in lines] for kind in kinds}
        names = [line["base"] for line in lines]
    except (*DAMAGE, TypeError) as error:
        wanted = f"a pairs.jsonl whose lines name pictures of {', '.join(kinds)}"
        raise ZplusError(
            f"{path} is no zip with {wanted} ({error}): choose directions of such names with -d."
        ) from None
    pixels = read_pictures(path, generator.resolution).train
    images = {kind: to_batch(pixels[rows[kind]]).to(generator.device) for kind in kinds}
    truths = {(name, "drawn"): images[name] for name in attributes}
    return Samples("drawn", names, images["base"], truths, [{}] * len(names))


def photos(
    folder: Path, generator: Generator, count: int | None, aligned: bool, told: Callable[[str], None]
) -> Samples:
    """Photos of a folder, which are aligned first unless they are `aligned`; photos.csv there gives their groups.

    Its column "file" names them. What is no picture, or has no face, is told and left out.
    """
    if not folder.is_dir():
        raise ZplusError(f"There is no folder {folder}: give one with photos.")
    size, detector = generator.resolution, FaceDetector()
    names: list[str] = []
    images: list[Tensor] = []
    for path in sorted(x for x in folder.iterdir() if x.suffix.lower() in READABLE):
        if len(names) == count:
            break
        try:
            photo = read_image(path)
            pixels = (whole(photo, size) if aligned else align(photo, detector, size)).pixels
            images.append(torch.from_numpy(pixels).permute(2, 0, 1))
            names.append(path.name)
        except (ImageError, FaceError) as error:
            told(f"{path.name} is left out: {str(error).replace(str(path), path.name)}")
    if not names:
        raise ZplusError(f"{folder} holds no photos that can be used.")
    return Samples("photo", names, torch.stack(images).to(generator.device), {}, _groups(folder / "photos.csv", names))


def _groups(path: Path, names: list[str]) -> list[dict[str, str]]:
    """The columns of a table for each photo, as far as it has them."""
    if not path.is_file():
        return [{}] * len(names)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = {row.pop("file"): row for row in csv.DictReader(file)}
    except (KeyError, ValueError, csv.Error):
        raise ZplusError(f"{path} is no table in UTF-8 with a column 'file' and commas: mend it.") from None
    found = (rows.get(name, {}) for name in names)
    return [{key: value for key, value in row.items() if isinstance(value, str)} for row in found]


def _codes(generator: Generator, source: str, kind: str, count: int, seed: int) -> Tensor:
    """The codes of a source [N,K,D], the same whatever the space that they are told in."""
    random, z = torch.Generator().manual_seed(seed), make_space("z", generator)
    code = z.sample(2 * count, seed)
    if source == "mixed":  # the coarse codes of one sample and the fine ones of another
        half = generator.num_codes // 2
        code = code.expand(-1, generator.num_codes, -1).clone()
        code[:count, half:] = code[count:, half:]
        return convert_code(make_space("z+", generator), code[:count], make_space(kind, generator))
    found = convert_code(z, code[:count], make_space(kind, generator))
    if source == "perturbed":
        w = sample_w(generator, count * generator.num_codes, seed + 1) - make_space("w", generator).statistics.w_mean
        found = found + JITTER * w.view(found.shape)
    if source == "s":
        spread = make_space("s", generator).std
        found = found + JITTER * spread * torch.randn(found.shape, generator=random).to(found)
    return found


def _covered(images: Images, seed: int) -> Images:
    """The images with a plain square of some colour somewhere."""
    random, side = torch.Generator().manual_seed(seed), images.shape[-1]
    size, covered = round(COVERED * side), images.clone()
    for image in covered:
        x, y = torch.randint(side - size, (2,), generator=random).tolist()
        image[:, y : y + size, x : x + size] = torch.rand(3, 1, 1, generator=random).to(image) * 2 - 1
    return covered
