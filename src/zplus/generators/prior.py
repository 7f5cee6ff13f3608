"""Statistics of a generator's prior, estimated from samples and cached in a small file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from zplus.cache import cached
from zplus.files import make_folder
from zplus.generators.contract import Generator, SynthesisInputs
from zplus.generators.memory import kept
from zplus.tensor_files import DAMAGE, read_tensors, write_tensors

SAMPLES = 100_000  # the standard error of a mean is then 0.3 % of a standard deviation
STYLE_SAMPLES = 10_000
STATE_SAMPLES = 16  # whose features count in their hundreds of thousands


@dataclass(frozen=True)
class Statistics:
    """Moments over the prior z ~ N(0, I).

    Attributes:
        w_mean: [w], the centre of truncation.
        w_cov: [w, w].
        p_mean: [w], the mean of LeakyReLU_5(w).
        p_cov: [w, w], the covariance of LeakyReLU_5(w).
        style_mean: [sum of C_k], of the concatenated styles.
        style_std: [sum of C_k], of the concatenated styles.
    """

    w_mean: Tensor
    w_cov: Tensor
    p_mean: Tensor
    p_cov: Tensor
    style_mean: Tensor
    style_std: Tensor

    @cached_property
    def whitening(self) -> Tensor:
        """C / sqrt(lambda) [w,w], columns by component, for the P-norm (Zhu et al. 2020, arXiv 2012.09036)."""
        values, vectors = torch.linalg.eigh(self.p_cov.cpu().double())  # fp32 loses the smallest
        return (vectors / values.clamp(min=1e-6 * values.max().item()).sqrt()).to(self.p_cov)


def statistics(generator: Generator) -> Statistics:
    """The statistics of a generator, from the cache or from fresh samples (a few seconds)."""
    return _statistics(generator, generator.device)


@kept
def _statistics(generator: Generator, device: torch.device) -> Statistics:
    path = cached("statistics", f"{generator.fingerprint}.safetensors")
    found = _read(path)
    if found is None:
        found = estimate(generator.base)
        make_folder(path.parent)
        write_tensors(path, vars(found))
    return Statistics(**{name: x.to(device) for name, x in vars(found).items()})


@kept
@torch.no_grad()
def feature_std(generator: Generator, layer: int) -> tuple[float, float]:
    """The standard deviation over the prior of the features after a layer, and of its RGB (1 if there is none)."""
    w = sample_w(generator.base, STATE_SAMPLES)[:, None].expand(-1, generator.num_codes, -1)
    state = generator.base.head(SynthesisInputs(generator.base.styles(w)), layer)
    return float(state.features.std()), 1.0 if state.rgb is None else float(state.rgb.std())


@torch.no_grad()
def estimate(generator: Generator, samples: int = SAMPLES) -> Statistics:
    """Statistics from fresh samples of the prior, with a fixed seed; on the CPU."""
    w = sample_w(generator, samples).cpu()
    p = F.leaky_relu(w, 5.0)
    mean = w.mean(0) if generator.w_mean is None else generator.w_mean.cpu()
    some = w[:STYLE_SAMPLES].to(generator.device)
    styles = torch.cat(generator.styles(some[:, None].expand(-1, generator.num_codes, -1)), 1).cpu()
    centre = torch.cat(generator.styles(mean.to(some).expand(1, generator.num_codes, -1)), 1).cpu()
    return Statistics(mean, w.T.cov(), p.mean(0), p.T.cov(), centre[0], styles.std(0))


@torch.no_grad()
def sample_w(generator: Generator, samples: int, seed: int = 0) -> Tensor:
    """w [samples, w_dim] of the prior, drawn on the CPU so that a seed gives the same on every device."""
    random = torch.Generator().manual_seed(seed)
    parts = [
        generator.map(torch.randn(min(10_000, samples - i), 1, generator.z_dim, generator=random).to(generator.device))
        for i in range(0, samples, 10_000)
    ]
    return torch.cat(parts)[:, 0]


def _read(path: Path) -> Statistics | None:
    try:
        return Statistics(**read_tensors(path))
    except DAMAGE:
        return None
