"""A latent: immutable points of a space of one generator, with their edits; and its file."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from zplus.direction import SPACE, Direction
from zplus.errors import LatentError, ZplusError
from zplus.fields import MAX_PARTS, check_plain, is_name
from zplus.generators.contract import State
from zplus.generators.transform import checked_transform
from zplus.records import Kind, read_record, write_record

KIND = Kind(
    "latent", LatentError, "is damaged or not a latent", "invert the photo again",
    version="1", dtypes=frozenset({"F32"}), max_text=1 << 20,
)  # fmt: skip
FeatureMove = Literal["moved", "added", "fixed"]
Move = Literal["straight", "sphere"]
MAX_EDITS = 100  # each takes time
MAX_STRENGTH = 1e6  # as an edit records: beyond the limit a sum is still kept, so that its opposite undoes it
MAX_FIGURES = 100  # of a row
MEASURED_ANEW = "seconds"  # a figure that is not written, so that equal runs give equal bytes
MAX_CODES = 1 << 16  # more than any generator has
ADDED, OFFSET, EXCLUDED = "added.", "offset.", "excluded."  # what the names of these tensors begin with in the file
KINDS = {
    "space": str, "generator": str, "fingerprint": str, "mapping_fingerprint": str, "layer": str | None,
    "psi": int | float, "cutoff": int | None, "noise": str, "transform": list | tuple | None, "feature": str,
    "move": str, "mode": dict, "settings": dict, "figures": dict, "edits": list,
}  # fmt: skip
PATTERNS = {  # of texts that name a thing of zplus
    "space": rf"(f/)?{SPACE}", "layer": r"[\w.]{1,100}", "noise": r"const|none|\d{1,18}", "fingerprint": r"\w{0,64}",
    "mapping_fingerprint": r"\w{0,64}",
}  # fmt: skip
TENSORS = r"(inverted|edited)\.(code|features|rgb)|mask|(added|offset)\.[\w.]{1,150}|(edit|excluded)\.\d{1,3}"
DIMENSIONS = {  # of a tensor, by the first or the last part of its name; an offset has those of its weight
    "code": 3, "features": 4, "rgb": 4, "mask": 4, "added": 4, "edit": 2, "excluded": 3, "offset": None,
}  # fmt: skip
BY_ROW = ("inverted", "edited", "mask", "added")


@dataclass(frozen=True)
class Decoding:
    """How codes become images: truncation w_mean + psi (w - w_mean), noise, and how the image is turned and moved.

    Attributes:
        psi: Truncation in [0, 1]; 1 is none.
        cutoff: How many of the first codes are truncated; None for all.
        noise: "const" (the stored maps), "none", or a seed as a decimal number.
        transform: Nine numbers, the rows of `Generator.transform` (StyleGAN3); None for the generator's own.

    Raises:
        ZplusError: A value is out of range.
    """

    psi: float = 1.0
    cutoff: int | None = None
    noise: str = "const"
    transform: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.psi <= 1:
            raise ZplusError(f"Truncation psi is {self.psi}, but must lie between 0 and 1.")
        if self.cutoff is not None and not 0 <= self.cutoff <= MAX_CODES:
            raise ZplusError(f"The cutoff of truncation is {self.cutoff}, but must be a number of codes.")
        if self.transform is not None:
            object.__setattr__(self, "transform", tuple(checked_transform(self.transform).flatten().tolist()))


class Point(NamedTuple):
    """A point of a space.

    Attributes:
        code: [N, K, D].
        state: F, the state after a layer, in F/X spaces; else None.
    """

    code: Tensor
    state: State | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Point":
        """The point with `change` applied to every tensor."""
        return Point(change(self.code), self.state and self.state.map(change))

    def contiguous_copy(self, device: torch.device) -> "Point":
        """A copy in contiguous memory, so that a loaded point gives the same bytes as the saved one."""
        return self.map(lambda x: x.to(device).clone(memory_format=torch.contiguous_format))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name: "code", and "features" and "rgb" if present."""
        named = {"code": self.code} | (self.state._asdict() if self.state else {})
        return {name: x for name, x in named.items() if x is not None}


class Edit(NamedTuple):
    """One direction at a strength.

    Attributes:
        direction: The direction.
        strength: In standard deviations of the attribute.
        layers: The codes first..last-1 that move; None for all.
    """

    direction: Direction
    strength: float
    layers: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Latent:
    """N points of a space of one generator, with edits. Immutable.

    Edits are a set that acts jointly on `inverted`; `edited` is their result, stored as tensors.

    Attributes:
        space: Name of the space of `inverted`, such as "f/z+".
        inverted: The inverted points.
        generator: Name of the generator.
        fingerprint: Hash of the generator's weights; rendering with another one is an error.
        mapping_fingerprint: Hash of the mapping network's weights.
        layer: Where F sits ("b32.conv1"); None without F.
        decoding: Truncation and noise.
        edited: The edited points; None without edits.
        edits: The edits.
        mask: Where the edits show, [N, 1, s, s] in [0, 1]; None for the regions of their directions.
        feature: How F follows the edits: "moved", "added" or "fixed" (see `edit`).
        move: "straight": `edited` lies in W or W+ (F/W, F/W+) if `inverted` lies in Z or Z+, else in `space`. "sphere":
            `edited` lies in `space`.
        added: What is added to the state after other layers, by layer name (SAM).
        offsets: What is added to the generator's weights, by name (PTI).
        mode: Precision, compilation, threads and torch version of the inversion.
        settings: The settings of the inversion.
        figures: Figures of the inversion, one value per row.
    """

    space: str
    inverted: Point
    generator: str
    fingerprint: str
    mapping_fingerprint: str
    layer: str | None = None
    decoding: Decoding = Decoding()
    edited: Point | None = None
    edits: tuple[Edit, ...] = ()
    mask: Tensor | None = None
    feature: FeatureMove = "moved"
    move: Move = "straight"
    added: dict[str, Tensor] = field(default_factory=dict)
    offsets: dict[str, Tensor] = field(default_factory=dict)
    mode: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def point(self) -> Point:
        """The point to render: the edited one, or the inverted one without edits."""
        return self.edited or self.inverted

    def __len__(self) -> int:
        return self.inverted.code.shape[0]

    def __repr__(self) -> str:
        """One line."""
        place = f" at {self.layer}" if self.layer else ""
        edits = "".join(f", {one.direction.name} {one.strength:+g}" for one in self.edits)
        return f"<Latent of {self.generator} in {self.space}{place}, rows: {len(self)}{edits}>"

    def _repr_png_(self) -> bytes | None:
        """The images side by side, for notebooks; None where the generator is not on this machine."""
        from zplus.spaces.notebook import png_of  # noqa: PLC0415  # the one thing that data asks of a room above

        return png_of(self)

    def __getitem__(self, row: int) -> "Latent":
        """Row `row` as a latent of its own."""
        row = range(len(self))[row]
        rows = slice(row, row + 1)
        return replace(
            self,
            inverted=self.inverted.map(lambda x: x[rows]),
            edited=self.edited and self.edited.map(lambda x: x[rows]),
            mask=None if self.mask is None else self.mask[rows],
            added={name: x[rows] for name, x in self.added.items()},
            figures={name: values[rows] for name, values in self.figures.items()},
        )


def save_latent(latent: Latent, path: str | Path) -> None:
    """Write a latent to one safetensors file, tensors in fp32 and without the seconds it took (docs/latent-format.md).

    Args:
        latent: The latent, with all its rows and edits.
        path: Usually NAME.latent.safetensors. The file is written whole or not at all.

    Raises:
        LatentError: The latent cannot be written there, or could not be read again.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, point in (("inverted", latent.inverted), ("edited", latent.edited)):
        if point is not None:
            tensors |= {f"{prefix}.{name}": x for name, x in point.tensors.items()}
    for i, edit in enumerate(latent.edits):
        tensors[f"edit.{i}"] = edit.direction.vector.clone()  # two may share one
        if edit.direction.excluded is not None:
            tensors[f"{EXCLUDED}{i}"] = edit.direction.excluded.clone()
    if latent.mask is not None:
        tensors["mask"] = latent.mask
    tensors |= {f"{ADDED}{name}": x for name, x in latent.added.items()}
    tensors |= {f"{OFFSET}{name}": x for name, x in latent.offsets.items()}
    plain = (
        "space",
        "generator",
        "fingerprint",
        "mapping_fingerprint",
        "layer",
        "feature",
        "move",
        "mode",
        "settings",
        "figures",
    )
    header = {name: getattr(latent, name) for name in plain} | asdict(latent.decoding)
    header["figures"] = {name: values for name, values in latent.figures.items() if name != MEASURED_ANEW}
    header["edits"] = [_describe(edit) for edit in latent.edits]
    text = json.dumps({key: x for key, x in header.items() if key != "transform" or x is not None})
    try:
        _check(header, tensors)
    except (TypeError, ValueError) as error:
        raise LatentError(f"{path} cannot be written: {error}.") from None
    write_record(path, KIND, {"latent": text}, tensors)


def load_latent(path: str | Path) -> Latent:
    """Read a latent that `save_latent` wrote. Nothing in the file is executed.

    Raises:
        LatentError: The file is missing, damaged or of another kind.
    """
    with read_record(path, KIND) as (texts, tensors):
        header = json.loads(texts["latent"])
        header.setdefault("move", "sphere" if header["edits"] else "straight")  # older ones do not say
        transform = header.setdefault("transform", None)  # only where there is one
        _check(header, tensors)
        added, offsets, excluded = (_taken(tensors, prefix) for prefix in (ADDED, OFFSET, EXCLUDED))
        header["transform"] = None if transform is None else tuple(map(float, transform))
        decoding = Decoding(*(header.pop(name) for name in ("psi", "cutoff", "noise", "transform")))
        header["edits"] = tuple(
            _edit(text, tensors[f"edit.{i}"], excluded.get(str(i))) for i, text in enumerate(header["edits"])
        )
        edited = _point("edited", tensors) if "edited.code" in tensors else None
        inverted, mask = _point("inverted", tensors), tensors.get("mask")
        return Latent(
            **header, decoding=decoding, inverted=inverted, edited=edited, mask=mask, added=added, offsets=offsets
        )


def _check(header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse values that no latent has. `space_of` checks whether they fit a generator."""
    for name, kind in KINDS.items():
        if not isinstance(header[name], kind):
            raise TypeError(f"{name} is of a wrong type")
    for name, pattern in PATTERNS.items():
        if header[name] is not None and not re.fullmatch(pattern, header[name], re.ASCII):
            raise ValueError(f"{name} is none of zplus")
    if not is_name(header["generator"]):
        raise ValueError("generator is no name")
    known = header["feature"] in get_args(FeatureMove) and header["move"] in get_args(Move)
    if not known or len(header["edits"]) > MAX_EDITS:
        raise ValueError("its edits are none of zplus")
    if not 0 <= header["psi"] <= 1 or not 0 <= (header["cutoff"] or 0) <= MAX_CODES:
        raise ValueError("psi does not lie in [0, 1], or cutoff is no number of codes")
    _check_transform(header["transform"])
    rows = len(tensors["inverted.code"])
    for name in ("mode", "settings"):
        check_plain(name, header[name])
    check_plain("figures", header["figures"], MAX_PARTS + rows * MAX_FIGURES)
    if not all(isinstance(values, list) and len(values) == rows for values in header["figures"].values()):
        raise TypeError("figures is of a wrong type")
    for name, x in tensors.items():
        first, last = name.partition(".")[0], name.rpartition(".")[2]
        dimensions = DIMENSIONS.get(first, DIMENSIONS.get(last)) or x.ndim
        shaped = x.ndim == dimensions and x.numel() and (first not in BY_ROW or len(x) == rows)
        if not re.fullmatch(TENSORS, name, re.ASCII) or not shaped:
            raise ValueError(f"{name[:60]} is of a wrong shape")
    mask = tensors.get("mask")
    if mask is not None and (mask.shape[1] != 1 or mask.min() < 0 or mask.max() > 1):
        raise ValueError("mask is not [N, 1, s, s] in [0, 1]")


def _check_transform(values: object) -> None:
    try:
        if values is not None:
            checked_transform(values)
    except ZplusError:
        raise ValueError("transform is no matrix that can be inverted") from None


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors whose names start with `prefix`, and return them without it."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _point(prefix: str, tensors: dict[str, Tensor]) -> Point:
    features, rgb = tensors.get(f"{prefix}.features"), tensors.get(f"{prefix}.rgb")
    return Point(tensors[f"{prefix}.code"], None if features is None else State(features, rgb))


def _describe(edit: Edit) -> dict[str, Any]:
    direction = {name: value for name, value in vars(edit.direction).items() if name not in ("vector", "excluded")}
    return {"direction": direction, "strength": edit.strength, "layers": edit.layers}


def _edit(text: dict[str, Any], vector: Tensor, excluded: Tensor | None) -> Edit:
    strength, layers = float(text["strength"]), text["layers"]
    if not abs(strength) <= MAX_STRENGTH:
        raise ValueError("a strength is no number that shows a face")
    if layers is not None:
        first, last = map(int, layers)
        if not 0 <= first < last <= MAX_CODES:
            raise ValueError("layers are no range of codes")
        layers = (first, last)
    return Edit(Direction(vector=vector, excluded=excluded, **text["direction"]), strength, layers)
