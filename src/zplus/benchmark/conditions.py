"""What a benchmark compares: ways to invert and edit, as data. A new one is a line in one of these tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from zplus.latent import FeatureMove, Move
from zplus.spaces import SPACES


def codes_of(space: str) -> str:
    """The kind of codes of a space: "z" for "z+" and "f/z+".

    >>> codes_of("f/z+")
    'z'
    """
    return space.removeprefix("f/").removesuffix("+")


@dataclass(frozen=True)
class Way:
    """One way to edit a latent.

    name: follows the condition's in what it is compared as. own: whether directions are those found in the space's own
    kind of codes, instead of those of W. move: how codes go.
    """

    name: str = ""
    own: bool = False
    move: Move = "sphere"


@dataclass(frozen=True)
class Condition:
    """One way to invert, and the ways to edit what it found.

    name: what it is compared as. settings: those of `invert` that differ from its defaults. psi: truncation.
    depth: the side of F, as a multiple of the usual one. into: the space that the latent is converted to before it is
    edited. feature: how F goes along with an edit. keep_norm: whether an edit keeps the length of w - mean(w) of every
    code, as a move on a sphere around it would.
    """

    name: str
    space: str
    settings: Mapping[str, object] = field(default_factory=dict)
    depth: float = 1.0
    psi: float = 1.0
    into: str | None = None
    feature: FeatureMove = "moved"
    keep_norm: bool = False
    ways: tuple[Way, ...] = (Way(),)


# codes that stay at the mean face: what F alone can do
F_ONLY = {"method": "hybrid", "init": "mean", "base": "head", "code_lr": 0.0}
CONTROLS = (
    Condition("w+ norm kept", "w+", keep_norm=True),
    Condition("f/w+ norm kept", "f/w+", keep_norm=True),
    Condition("F only", "f/w+", F_ONLY),
)
OWN_WAY, IN_W = Way("own directions", own=True), Way("moved in W", move="straight")
WAYS = {"z": (Way(), OWN_WAY, IN_W), "s": (Way(), OWN_WAY)}  # by the kind of codes; the others have the first alone
EVERY_SPACE = tuple(Condition(name, name, ways=WAYS.get(codes_of(name), (Way(),))) for name in SPACES)

METHOD_SPACES = {"sam": ("w+", "z+"), "bdinvert": ("f/w+", "f/z+"), "ii2s": ("w+",)}  # the others have all three
METHODS = ("e4e", "hybrid", "default", "idinvert", "bdinvert", "ii2s", "sam", "pti")
OWN: dict[str, dict[str, object]] = {  # whatever all others are given
    "e4e": {"steps": 0},
    "default": {"init": "common", "base": "head"},
}
EVERY_METHOD = tuple(
    Condition(method, space, {"method": method} | OWN.get(method, {}))
    for method in METHODS
    for space in METHOD_SPACES.get(method, ("w+", "z+", "f/z+"))
)

ABLATIONS = (
    Condition("as it is", "f/z+"),
    Condition("Riemannian steps", "f/z+", {"sphere": "riemannian"}),
    Condition("common start", "f/z+", {"method": "hybrid", "init": "common", "base": "head"}),
    Condition("random start", "f/z+", {"method": "hybrid", "init": "random", "base": "head"}),
    Condition("truncation .7", "f/z+", psi=0.7),
    Condition("no consensus", "f/z+", {"consensus_weight": 0.0}),
    Condition("consensus .2", "f/z+", {"consensus_weight": 0.2}),
    Condition("P-norm .01", "f/z+", {"p_norm_weight": 0.01}),
    Condition("F free", "f/z+", {"consistency_weight": 0.0}),
    Condition("F held 10 times as much", "f/z+", {"consistency_weight": 11.5}),
    Condition("F held to its start", "f/z+", {"consistency_target": "initial"}),
    Condition("F at half the size", "f/z+", depth=0.5),
    Condition("F at twice the size", "f/z+", depth=2.0),
    Condition("F fixed", "f/z+", feature="fixed"),
    Condition("F added", "f/z+", feature="added"),
    Condition("moved straight", "f/z+", ways=(Way(move="straight"),)),
    Condition("as it is", "f/w+"),
    Condition("truncation .7", "f/w+", psi=0.7),
    Condition("P-norm .01", "f/w+", {"p_norm_weight": 0.01}),
    Condition("F held 10 times as much", "f/w+", {"consistency_weight": 11.5}),
    Condition("onto f(sphere)", "f/w+", into="f/z+"),
    Condition("as it is", "z+"),
    Condition("moved straight", "z+", ways=(Way(move="straight"),)),
    Condition("as it is", "w+"),
    Condition("P-norm .01", "w+", {"p_norm_weight": 0.01}),
    Condition("onto f(sphere)", "w+", into="z+"),
)


def norm_kept(before: Tensor, after: Tensor, mean: Tensor) -> Tensor:
    """Codes of W+ `after` at the distances from the mean [w] that those `before` had, [N,K,w]."""
    return mean + (after - mean) * ((before - mean).norm(dim=-1) / (after - mean).norm(dim=-1))[..., None]


BENCHES: dict[str, Callable[[], tuple[Condition, ...]]] = {
    "spaces": lambda: EVERY_SPACE + CONTROLS,
    "methods": lambda: EVERY_METHOD,
    "ablations": lambda: ABLATIONS,
}
