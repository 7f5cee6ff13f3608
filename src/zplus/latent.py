"""A latent: an immutable point of a space of one generator, with the edits made to it. The data and its file."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from zplus.direction import Direction
from zplus.errors import LatentError, ZplusError
from zplus.generators.contract import State
from zplus.records import Kind, read_record, write_record

KIND = Kind(
    "latent", LatentError, "is damaged or not a latent", "invert the photo again",
    version="1", dtypes=frozenset({"F32"}),
)  # fmt: skip
FeatureMove = Literal["moved", "added", "fixed"]
Move = Literal["straight", "sphere"]
MAX_EDITS = 100  # each takes time
MAX_CODES = 1 << 16  # more than any generator has
ADDED, OFFSET, EXCLUDED = "added.", "offset.", "excluded."  # what the names of these tensors begin with in the file
KINDS = {
    "space": str, "generator": str, "fingerprint": str, "mapping_fingerprint": str, "layer": str | None,
    "psi": int | float, "cutoff": int | None, "noise": str, "feature": str, "move": str, "mode": dict, "settings": dict,
    "figures": dict, "edits": list,
}  # fmt: skip
DIMENSIONS = {"code": 3, "features": 4, "rgb": 4, "mask": 4}  # any other tensor is the vector of a direction, with 2


@dataclass(frozen=True)
class Decoding:
    """How the codes of a latent become styles: truncation w_mean + psi (w - w_mean), and the noise.

    psi: in [0, 1]. cutoff: how many of the first codes it truncates, None for all. noise: "const", "none" or a seed as
    a decimal number. Raises ZplusError for a psi outside.
    """

    psi: float = 1.0
    cutoff: int | None = None
    noise: str = "const"

    def __post_init__(self) -> None:
        if not 0 <= self.psi <= 1:
            raise ZplusError(f"Truncation psi is {self.psi}, but must lie between 0 and 1.")
        if self.cutoff is not None and not 0 <= self.cutoff <= MAX_CODES:
            raise ZplusError(f"The cutoff of truncation is {self.cutoff}, but must be a number of codes.")


class Point(NamedTuple):
    """A code [N,K,D] and, in the F/X spaces, the state F after a layer."""

    code: Tensor
    state: State | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Point":
        """The point with every tensor changed."""
        return Point(change(self.code), self.state and self.state.map(change))

    def contiguous_copy(self, device: torch.device) -> "Point":
        """A copy in plain memory layout, so that a loaded point gives the same bytes as the one that was saved."""
        return self.map(lambda x: x.to(device).clone(memory_format=torch.contiguous_format))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name: "code", and "features" and "rgb" where they are."""
        named = {"code": self.code} | (self.state._asdict() if self.state else {})
        return {name: x for name, x in named.items() if x is not None}


class Edit(NamedTuple):
    """One direction at a strength, in standard deviations of its attribute, for codes first..last-1 (None: all)."""

    direction: Direction
    strength: float
    layers: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Latent:
    """N points of a space. Edits are a set applied jointly to `inverted`; `edited` is what they gave, kept as tensors.

    move says in which space the edits were made, thus where `edited` lies: "straight" in W or W+ where the space of
    `inverted` bends (`zplus.spaces.registry.straight`), "sphere" in that space itself.
    mask, where there is one, is where the edits show: [N,1,s,s] in [0,1], of any side s.
    layer names where F sits ("b32.conv1"), None without F; fingerprint and mapping_fingerprint name the generator.
    added is what is added to the state after other layers, by their names, whatever the edits (SAM).
    offsets is what weights of the generator are changed by for this latent, by their names (PTI).
    mode says how it was computed, settings with which options, figures how well (one value a row).
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
        """The point to render: the edited one, or the inverted one while there is no edit."""
        return self.edited or self.inverted

    def __len__(self) -> int:
        return self.inverted.code.shape[0]

    def __repr__(self) -> str:
        """One line."""
        place = f" at {self.layer}" if self.layer else ""
        edits = "".join(f", {one.direction.name} {one.strength:+g}" for one in self.edits)
        return f"<Latent of {self.generator} in {self.space}{place}, rows: {len(self)}{edits}>"

    def _repr_png_(self) -> bytes | None:
        """Its images beside each other, for notebooks; None where its generator is not on this machine."""
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
    """Write a latent to one safetensors file (docs/latent-format.md), tensors in fp32."""
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
    header["edits"] = [_describe(edit) for edit in latent.edits]
    write_record(path, KIND, {"latent": json.dumps(header)}, tensors)


def load_latent(path: str | Path) -> Latent:
    """Read a latent that `save_latent` wrote. Raises LatentError for anything else."""
    with read_record(path, KIND) as (texts, tensors):
        added, offsets, excluded = (_taken(tensors, prefix) for prefix in (ADDED, OFFSET, EXCLUDED))
        header = json.loads(texts["latent"])
        header.setdefault("move", "sphere" if header["edits"] else "straight")  # older ones do not say
        _check(header, tensors)
        decoding = Decoding(*(header.pop(name) for name in ("psi", "cutoff", "noise")))
        header["edits"] = tuple(
            _edit(text, tensors[f"edit.{i}"], excluded.get(str(i))) for i, text in enumerate(header["edits"])
        )
        edited = _point("edited", tensors) if "edited.code" in tensors else None
        inverted, mask = _point("inverted", tensors), tensors.get("mask")
        return Latent(
            **header, decoding=decoding, inverted=inverted, edited=edited, mask=mask, added=added, offsets=offsets
        )


def _check(header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse what no latent holds; whether it fits a generator is seen by `space_of`."""
    for name, kind in KINDS.items():
        if not isinstance(header[name], kind):
            raise TypeError(f"{name} is of a wrong type")
    known = header["feature"] in get_args(FeatureMove) and header["move"] in get_args(Move)
    if not known or len(header["edits"]) > MAX_EDITS:
        raise ValueError("its edits are none of zplus")
    if not 0 <= header["psi"] <= 1:
        raise ValueError("psi does not lie in [0, 1]")
    if header["cutoff"] is not None and not 0 <= header["cutoff"] <= MAX_CODES:
        raise ValueError("cutoff is no number of codes")
    for name in ("generator", "fingerprint", "mapping_fingerprint"):
        header[name].encode()  # lone surrogates, which no program could pass on
    if not all(isinstance(values, list) for values in header["figures"].values()):
        raise TypeError("figures is of a wrong type")
    rows = len(tensors["inverted.code"])
    for name, x in tensors.items():
        prefix, _, part = name.rpartition(".")
        if x.ndim != DIMENSIONS.get(part, 2) or not x.numel() or (prefix != "edit" and len(x) != rows):
            raise ValueError(f"{name} is of a wrong shape")
    mask = tensors.get("mask")
    if mask is not None and (mask.shape[1] != 1 or mask.min() < 0 or mask.max() > 1):
        raise ValueError("mask is not [N, 1, s, s] in [0, 1]")


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, taken out."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _point(prefix: str, tensors: dict[str, Tensor]) -> Point:
    features, rgb = tensors.get(f"{prefix}.features"), tensors.get(f"{prefix}.rgb")
    return Point(tensors[f"{prefix}.code"], None if features is None else State(features, rgb))


def _describe(edit: Edit) -> dict[str, Any]:
    direction = {name: value for name, value in vars(edit.direction).items() if name not in ("vector", "excluded")}
    return {"direction": direction, "strength": edit.strength, "layers": edit.layers}


def _edit(text: dict[str, Any], vector: Tensor, excluded: Tensor | None) -> Edit:
    strength, layers = float(text["strength"]), text["layers"]
    if not math.isfinite(strength):
        raise ValueError("a strength is no number")
    if layers is not None:
        first, last = map(int, layers)
        layers = (first, last)
    return Edit(Direction(vector=vector, excluded=excluded, **text["direction"]), strength, layers)
