"""Low-pass filters of StyleGAN3 (Karras et al. 2021, arXiv 2106.12423, appendix C): sinc or jinc, Kaiser window."""

import numpy as np


def lowpass(taps: int, cutoff: float, half_width: float, rate: int) -> np.ndarray:
    """A separable filter [taps], of sum 1.

    Args:
        taps: Its length.
        cutoff: Where it has let half through, in cycles per image.
        half_width: Half of the transition band, in the same unit.
        rate: Samples per image of what it is applied to.

    Examples:
        >>> lowpass(4, 0.5, 0.5, 2).round(3)
        array([0.067, 0.433, 0.433, 0.067])
    """
    time = (np.arange(taps) - (taps - 1) / 2) / rate
    line = np.sinc(2 * cutoff * time) * _window(taps, half_width, rate)
    return line / line.sum()


def radial_lowpass(taps: int, cutoff: float, half_width: float, rate: int) -> np.ndarray:
    """A filter [taps, taps] that is alike in all directions, of sum 1; `taps` is even. Arguments as in `lowpass`."""
    from scipy.special import j1  # noqa: PLC0415  (slow to import)

    time = (np.arange(taps) - (taps - 1) / 2) / rate
    radius, window = np.hypot(time[:, None], time), _window(taps, half_width, rate)
    jinc = j1(2 * np.pi * cutoff * radius) / radius
    plane = jinc * np.outer(window, window)
    return plane / plane.sum()


def _window(taps: int, half_width: float, rate: int) -> np.ndarray:
    """The Kaiser window whose transition band has this width (Kaiser 1974)."""
    attenuation = 2.285 * (taps - 1) * np.pi * (2 * half_width) / (rate / 2) + 7.95  # in decibels
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * max(attenuation - 21, 0) ** 0.4 + 0.07886 * max(attenuation - 21, 0)
    return np.kaiser(taps, beta)
