"""The settings of an optimisation, and the presets, as data."""

from dataclasses import dataclass, replace
from typing import Literal, get_args, get_origin, get_type_hints

from zplus.errors import UnknownNameError, ZplusError


@dataclass(frozen=True)
class Settings:
    """How a photo is inverted."""

    steps: int = 110  # where most portraits are at LPIPS 0.04; about a minute on two cores
    code_share: float = 0.3  # the part of the steps that moves the codes alone, so that codes below F mean something
    code_lr: float = 0.06
    feature_lr: float = 0.18  # a fifth of it is what a number of F moves in a step of Muon
    feature_rule: Literal["adam", "muon"] = "muon"  # Muon takes F as far in 100 steps as Adam in 170
    relative_rates: bool = True  # rates in units of the prior's spread, so that they suit every generator and space
    warmup: float = 0.05  # of each stage; Adam's first steps are of full length and would throw the code far
    decay: Literal["linear", "cosine", "constant"] = "linear"
    mse: float = 1.0
    feature_mse: float = 6.0  # the weight of MSE while F moves, which can reach detail; codes alone only blur under it
    lpips: float = 1.0
    lpips_size: int = 256  # the size at which LPIPS is measured everywhere in this field
    consistency: float = 2.0  # weight of |F - target|^2
    target: Literal["self", "initial"] = "self"  # "self": head(code) of the moving code; "initial": that of the start
    consensus: float = 0.02  # keeps the layers' codes near each other, z+ and w+ alike
    p_norm: float = 0.0
    delta: float = 0.0
    domain: float = 0.0  # weight of |code - E(picture)|^2, E being the encoder (IDInvert)
    origin: Literal["auto", "encoder", "common", "random", "mean"] = "auto"  # of the code; "auto": encoder, else common
    base: Literal["encoder", "head"] = "encoder"  # where F begins; "head" or without encoder: head(code)
    candidates: int = 8
    sphere: Literal["implicit", "riemannian"] = "implicit"
    patience: int = 60  # steps without a better loss after which a row rests
    adapting: int = 0  # steps in which the code and maps that are added to several layers move together (SAM)
    tau: float = 0.1  # LPIPS of a segment below which nothing is added there
    added: float = 1e-3  # weight of the mean square of what is added, in units of the features' spread
    tuning: int = 0  # steps in which the generator's weights are tuned afterwards (PTI)
    tuning_lr: float = 3e-4
    tuning_loss: float = 0.03  # where tuning ends
    locality: float = 0.1  # weight of what tuning changes in the pictures of other codes
    seed: int = 0

    @property
    def all_steps(self) -> int:
        """Of all stages."""
        return self.steps + self.adapting + self.tuning

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.steps == 0 and self.origin != "encoder"):
            raise ZplusError(f"Steps are {self.steps}: give 1 or more, or 0 for the encoder alone.")
        for name, kind in get_type_hints(Settings).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                raise UnknownNameError(name, str(getattr(self, name)), get_args(kind))


RELEASED = Settings(
    steps=1200, code_share=0.0, code_lr=0.01, feature_lr=0.01, feature_rule="adam", warmup=0.0, decay="constant",
    relative_rates=False, feature_mse=1.0, lpips=10.0, consistency=10.0, target="initial", consensus=0.0, patience=1200,
)  # fmt: skip
PRESETS = {
    "default": Settings(),
    # from the encoder's code and F: nearer, sooner, and edits move further than from the best of a few samples
    "hybrid": Settings(steps=40, code_share=0.0, origin="encoder"),
    # the encoder alone (e4e: Tov et al. 2021, arXiv 2102.02766)
    "e4e": Settings(steps=0, origin="encoder"),
    # SAM (Parmar et al. 2022, arXiv 2206.08357), made for w+
    "sam": Settings(steps=30, adapting=70),
    # pivotal tuning (PTI: Roich et al. 2021, arXiv 2106.05744), made for w
    "pti": Settings(tuning=350),
    # the paper's release: Adam 0.01 constant on codes and F from the first step, random start, F held to the base code
    "released": replace(RELEASED, origin="random"),
    # BDInvert (Kang et al. 2021, arXiv 2110.04464), made for f/w+: the same from the mean face, and a P-norm
    "bdinvert": replace(RELEASED, origin="mean", p_norm=0.01),
    # II2S (Zhu et al. 2020, arXiv 2012.09036), made for w+
    "ii2s": replace(RELEASED, steps=1300, lpips=1.0, p_norm=0.001, origin="mean", patience=1300),
    # IDInvert (Zhu et al. 2020, arXiv 2004.00049), made for w+; LPIPS stands for its distance of VGG features
    "idinvert": replace(RELEASED, steps=100, lpips=1.0, consistency=1.0, domain=2.0, origin="encoder"),
    # paper 1: z and the features follow L_p + L_r jointly, F held to the generator's own features of z
    "paper-1": replace(
        RELEASED, mse=0.0, feature_mse=0.0, lpips=1.0, consistency=1.0, target="self", origin="random", base="head"
    ),
}


def preset(name: str, **changes: object) -> Settings:
    """A preset by name, with some of its settings changed; None leaves one as it is."""
    if name not in PRESETS:
        raise UnknownNameError("method", name, PRESETS)
    known = {key: value for key, value in changes.items() if value is not None}
    return replace(PRESETS[name], **known)  # type: ignore[arg-type]
