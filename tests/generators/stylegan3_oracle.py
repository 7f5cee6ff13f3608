"""StyleGAN3 once more, from the paper's formulas: numpy in float64, one sample at a time, no code shared with zplus.

Weights are fused with the style, upsampling inserts zeros, filters run at the full rate, and what downsampling drops is
sliced away afterwards. Sizes and filters are those of the formulas, not those of the network.
"""

import numpy as np
from scipy import signal, special
from stylegan2_oracle import correlate


def plan(resolution, layers):
    """Per layer and for the image: cutoff, transition half-width, rate and canvas."""
    exponent = np.minimum(np.arange(layers + 1) / (layers - 2), 1)
    cutoff = 2.0 * (resolution / 4) ** exponent
    stop = 2**2.1 * (resolution / 2 * 2**0.3 / 2**2.1) ** exponent
    rate = 2 ** np.ceil(np.log2(np.minimum(2 * stop, resolution)))
    side = np.where(np.arange(layers + 1) < layers - 1, rate + 20, resolution)
    return cutoff, np.maximum(stop, rate / 2) - cutoff, rate.astype(int), side.astype(int)


def separable(taps, cutoff, half_width, rate):
    return signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)


def radial(taps, cutoff, half_width, rate):
    t = (np.arange(taps) - (taps - 1) / 2) / rate
    r = np.hypot(*np.meshgrid(t, t))
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, 4 * half_width / rate)))
    plane = special.j1(2 * np.pi * cutoff * r) / r * np.outer(window, window)
    return plane / plane.sum()


def filtered(x, taps):
    """Every channel with a filter [T] of both axes, or [T,T]."""
    plane = np.outer(taps, taps) if taps.ndim == 1 else taps
    return np.stack([signal.correlate(channel, plane, mode="valid", method="fft") for channel in x])


def padded(x, low, high):
    x = np.pad(x, ((0, 0), (max(low, 0), max(high, 0)), (max(low, 0), max(high, 0))))
    a, b = max(-low, 0), max(-high, 0)
    return x[:, a : x.shape[1] - b, a : x.shape[2] - b]


def resampled(x, up_taps, down_taps, factors, side, clamp=256.0):
    """Zeros between the values, filter, leaky ReLU, clamp, filter, every second value: to [C,side,side]."""
    up, down = factors
    spread = np.zeros((len(x), x.shape[1] * up, x.shape[2] * up))
    spread[:, ::up, ::up] = x
    total = (side - 1) * down + 1 - x.shape[1] * up + len(up_taps) + len(down_taps) - 2
    low = (total + up) // 2
    x = filtered(padded(spread, low, total - low), up_taps * up if up_taps.ndim == 1 else up_taps * up**2)
    x = np.clip(np.where(x > 0, x, 0.2 * x) * np.sqrt(2), -clamp, clamp)
    return filtered(x, down_taps)[:, ::down, ::down]


def dense(x, part, lr=1.0):
    return part["weight"] @ x * lr / np.sqrt(len(x)) + part["bias"] * lr


def fourier(part, w, rate, cutoff, side, transform):
    t = dense(w, part["affine"])
    c, s, x, y = t / np.hypot(t[0], t[1])
    matrix = (
        np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]) @ transform
    )
    phases, freqs = part["phases"] + part["freqs"] @ matrix[:2, 2], part["freqs"] @ matrix[:2, :2]
    amplitude = np.clip(1 - (np.hypot(*freqs.T) - cutoff) / (rate / 2 - cutoff), 0, 1)
    line = (np.arange(side) + 0.5 - side / 2) / rate
    across, down = np.meshgrid(line, line)
    waves = np.sin(
        2 * np.pi * (freqs[:, 0, None, None] * across + freqs[:, 1, None, None] * down + phases[:, None, None])
    )
    return np.einsum("oc,chw->ohw", part["weight"], waves * amplitude[:, None, None]) / np.sqrt(len(phases))


def modulated(x, part, style, demodulate):
    weight = part["weight"] / (np.sqrt((part["weight"] ** 2).mean((1, 2, 3), keepdims=True)) if demodulate else 1)
    weight = weight * style[None, :, None, None]
    if demodulate:
        weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    margin = weight.shape[-1] - 1
    x = correlate(np.pad(x, ((0, 0), (margin, margin), (margin, margin))), weight / np.sqrt(part["magnitude_ema"]))
    return x + part["bias"][:, None, None]


def states(synthesis, codes, resolution, is_radial, transform=None):
    """The input and the state after every layer, then the image [3,R,R], from codes [L,w_dim] of one sample."""
    names = sorted((name for name in synthesis if name != "input"), key=lambda name: int(name[1:].split("_")[0]))
    count = len(names) - 1
    cutoff, half, rate, side = plan(resolution, count)
    x = fourier(
        synthesis["input"], codes[0], rate[0], cutoff[0], side[0], np.eye(3) if transform is None else transform
    )
    found = [x]
    for i, name in enumerate(names[:-1]):
        part, before = synthesis[name], max(i - 1, 0)
        style = dense(codes[i + 1], part["affine"])
        x = modulated(x, part, style / np.sqrt((style**2).mean()), True)
        between = 2 * max(rate[before], rate[i])
        up, down = between // rate[before], between // rate[i]
        design = radial if is_radial and i < count - 2 else separable
        taps = separable(6 * up, cutoff[before], half[before], between), design(6 * down, cutoff[i], half[i], between)
        x = resampled(x, *taps, (up, down), side[i])
        found.append(x)
    last = synthesis[names[-1]]
    rgb = modulated(x, last, dense(codes[-1], last["affine"]) / np.sqrt(len(x)), False)
    return [*found, 0.25 * np.clip(rgb, -256, 256)]
