"""The settings of an inversion, and the methods as presets of settings."""

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

from zplus.errors import UnknownNameError, ZplusError
from zplus.perception.lpips import MIN_SIDE

STEPS = {"descend": "steps", "sam": "sam_steps", "pti": "pti_steps"}  # how many each stage makes


@dataclass(frozen=True)
class Settings:
    """How images are inverted. Weights and rates are in standard deviations of the prior (of codes, F and P space)."""

    stages: tuple[str, ...] = ("encode", "descend")  # of zplus.inversion.STAGES, one after another
    steps: int = 110  # where most portraits are at LPIPS 0.04; about a minute on two cores
    code_only_fraction: float = 0.3  # of the steps: they move the codes alone, so that codes below F mean something
    code_lr: float = 0.06
    feature_lr: float = 0.18  # a fifth of it is what a number of F moves in a step of Muon
    feature_rule: Literal["adam", "muon"] = "muon"  # Muon takes F as far in 100 steps as Adam in 170
    relative_rates: bool = True  # rates in units of the prior's spread, so that they suit every generator and space
    warmup: float = 0.05  # of each stage; Adam's first steps are of full length and would throw the code far
    decay: Literal["linear", "cosine", "constant"] = "linear"
    mse_weight: float = 1.0
    feature_mse_weight: float = 6.0  # of MSE while F moves, which can reach detail; codes alone only blur under it
    lpips_weight: float = 1.0
    lpips_size: int = 256  # the size at which LPIPS is measured everywhere in this field
    identity_weight: float = 0.0  # of the squared distance of dlib's face descriptors
    consistency_weight: float = 1.15  # of |F - target|^2
    consistency_target: Literal["self", "initial"] = "self"  # head(code) of the moving code, or F of the start
    consensus_weight: float = 0.02  # keeps the layers' codes near each other, z+ and w+ alike
    p_norm_weight: float = 0.0
    delta_weight: float = 0.0
    in_domain_weight: float = 0.0  # of |styles - those of E(image)|^2, E being the encoder (IDInvert)
    init: Literal["auto", "encoder", "common", "random", "mean"] = "auto"  # of the code; "auto": encoder, else common
    base: Literal["encoder", "head"] = "encoder"  # where F begins; "head" or without encoder: head(code)
    candidates: int = 8
    sphere: Literal["implicit", "riemannian"] = "implicit"
    patience: int = 60  # steps without a better loss after which a row rests
    sam_steps: int = 70  # in which the code and maps that are added to several layers move together
    sam_threshold: float = 0.1  # LPIPS of a segment below which nothing is added there
    sam_weight: float = 1e-3  # of the mean square of what is added
    pti_steps: int = 350  # in which the generator's weights are tuned
    pti_lr: float = 3e-4
    pti_threshold: float = 0.03  # the loss at which tuning ends
    pti_locality_weight: float = 0.1  # of what tuning changes in the images of other codes
    seed: int = 0

    @property
    def all_steps(self) -> int:
        """The number of steps of all stages."""
        return sum(getattr(self, STEPS[stage]) for stage in self.stages if stage in STEPS)

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.steps == 0 and self.init != "encoder"):
            raise ZplusError(f"Steps are {self.steps}: give 1 or more, or 0 for the encoder alone.")
        if min(self.sam_steps, self.pti_steps) < 1 or self.candidates < 0 or not 0 <= self.code_only_fraction <= 1:
            raise ZplusError(
                "sam_steps and pti_steps are 1 or more, candidates 0 or more, code_only_fraction in [0, 1]."
            )
        if self.lpips_size < MIN_SIDE:
            raise ZplusError(f"LPIPS is measured at {self.lpips_size} px: give {MIN_SIDE} or more.")
        for name, kind in get_type_hints(Settings).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                raise UnknownNameError(name, str(getattr(self, name)), get_args(kind))


RELEASED = Settings(
    steps=1200, code_only_fraction=0.0, code_lr=0.01, feature_lr=0.01, feature_rule="adam", warmup=0.0,
    decay="constant", relative_rates=False, feature_mse_weight=1.0, lpips_weight=10.0, consistency_weight=10.0,
    consistency_target="initial", consensus_weight=0.0, patience=1200,
)  # fmt: skip
PRESETS = {
    "default": Settings(),
    # from the encoder's code and F: nearer, sooner, and edits move further than from the best of a few samples
    "hybrid": Settings(steps=40, code_only_fraction=0.0, init="encoder"),
    # the encoder alone (e4e: Tov et al. 2021, arXiv 2102.02766)
    "e4e": Settings(stages=("encode",), steps=0, init="encoder"),
    # SAM (Parmar et al. 2022, arXiv 2206.08357), made for w+; its maps begin at nothing and have further to go than F
    "sam": Settings(stages=("encode", "descend", "sam"), steps=30, feature_lr=0.23),
    # pivotal tuning (PTI: Roich et al. 2021, arXiv 2106.05744), made for w
    "pti": Settings(stages=("encode", "descend", "pti")),
    # the paper's release: Adam 0.01 constant on codes and F from the first step, random start, F held to the base code
    "released": replace(RELEASED, init="random"),
    # BDInvert (Kang et al. 2021, arXiv 2110.04464), made for f/w+: the same from the mean face, and a P-norm
    "bdinvert": replace(RELEASED, init="mean", p_norm_weight=0.01),
    # II2S (Zhu et al. 2020, arXiv 2012.09036), made for w+
    "ii2s": replace(RELEASED, steps=1300, lpips_weight=1.0, p_norm_weight=0.001, init="mean", patience=1300),
    # IDInvert (Zhu et al. 2020, arXiv 2004.00049), made for w+; LPIPS stands for its distance of VGG features,
    # and the weight 2 of its squares of w is 0.9 of styles in deviations: reconstructions are as near (64 avatars)
    "idinvert": replace(
        RELEASED, steps=100, lpips_weight=1.0, consistency_weight=1.0, in_domain_weight=0.9, init="encoder"
    ),
    # paper 1: z and the features follow L_p + L_r jointly, F held to the generator's own features of z
    "paper-1": replace(
        RELEASED, mse_weight=0.0, feature_mse_weight=0.0, lpips_weight=1.0, consistency_weight=1.0,
        consistency_target="self", init="random", base="head",
    ),
}  # fmt: skip


def preset(name: str, **changes: object) -> Settings:
    """The settings of a method, with changes.

    Args:
        name: A name of `PRESETS`.
        **changes: Settings by name; None leaves one unchanged.

    Raises:
        UnknownNameError: There is no such method or setting.
        ZplusError: A value is out of range, or the setting belongs to a stage that the method does not have.
    """
    if name not in PRESETS:
        raise UnknownNameError("method", name, PRESETS)
    known = {key: value for key, value in changes.items() if value is not None}
    names = [field.name for field in fields(Settings)]
    for key in known:
        if key not in names:
            raise UnknownNameError("setting", key, names)
    settings = replace(PRESETS[name], **known)  # type: ignore[arg-type]
    for stage, steps in STEPS.items():
        idle = [key for key, value in known.items() if key.startswith(f"{stage}_") or (key == steps and value)]
        if idle and stage not in settings.stages:
            raise ZplusError(f"{idle[0]} does nothing in {name}, which has no stage {stage}: leave it out.")
    return settings
