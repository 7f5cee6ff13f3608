"""MobileStyleGAN once more: explicit loops in numpy's float64, one sample at a time, no code shared with zplus."""

import numpy as np


def inverse_haar(x):
    """[4C,r,r] to [C,2r,2r], pixel by pixel: each 2x2 square is half the sum of low, lh, hl and hh with their signs."""
    count, side = len(x) // 4, x.shape[1]
    out = np.zeros((count, 2 * side, 2 * side))
    signs = {(0, 0): (1, 1, 1), (0, 1): (1, -1, -1), (1, 0): (-1, 1, -1), (1, 1): (-1, -1, 1)}
    for c in range(count):
        low, (lh, hl, hh) = x[c], x[count + 3 * c : count + 3 * c + 3]
        for i in range(side):
            for j in range(side):
                for (row, column), (a, b, d) in signs.items():
                    value = low[i, j] + a * lh[i, j] + b * hl[i, j] + d * hh[i, j]
                    out[c, 2 * i + row, 2 * j + column] = value / 2
    return out


def haar(x):
    """The forward transform [C,2r,2r] to [4C,r,r], as the mean and differences of each square."""
    a, b, c, d = x[:, ::2, ::2], x[:, ::2, 1::2], x[:, 1::2, ::2], x[:, 1::2, 1::2]
    details = np.stack([a + b - c - d, a - b + c - d, a - b - c + d], 1)
    return np.concatenate([a + b + c + d, details.reshape(-1, *details.shape[2:])]) / 2


def correlate(plane, kernel):
    """One plane with a 3x3 kernel, zeros around it, pixel by pixel."""
    padded, out = np.pad(plane, 1), np.zeros_like(plane)
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            out[i, j] = (padded[i : i + 3, j : j + 3] * kernel).sum()
    return out


def affine(tensors, name, w):
    return tensors[f"{name}.weight"] @ w + tensors[f"{name}.bias"]


def convolution(tensors, name, x, w, noise=None):
    """Modulate, convolve depthwise then pointwise (or densely), add noise and bias, leaky ReLU."""
    style, weight = affine(tensors, f"{name}.affine", w), tensors[f"{name}.weight"]
    x = [plane * s / np.sqrt(9 * len(x)) for plane, s in zip(x, style, strict=True)]
    if f"{name}.depthwise" in tensors:
        kernels = tensors[f"{name}.depthwise"][:, 0]
        x = [correlate(plane, kernel) for plane, kernel in zip(x, kernels, strict=True)]
        sums = [sum(k * plane for k, plane in zip(row, x, strict=True)) for row in weight[:, :, 0, 0]]
    else:
        sums = [sum(correlate(plane, k) for k, plane in zip(row, x, strict=True)) for row in weight]
    noise = tensors[f"{name}.noise"][0, 0] if noise is None else noise
    y = np.stack(sums) + noise + tensors[f"{name}.bias"][:, None, None]
    return np.where(y > 0, y, 0.2 * y)


def map_code(tensors, z):
    x = z / np.sqrt((z**2).mean() + 1e-8)
    for i in range(sum(name.startswith("mapping.fc") for name in tensors) // 2):
        x = affine(tensors, f"mapping.fc.{i}", x)
        x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
    return x


def synthesise(tensors, codes, noise=None):
    """The features after every convolution, and the image [3,R,R], of one sample's codes [L,w_dim]."""
    noise = iter([None] * 99 if noise is None else noise)
    x = convolution(tensors, "convolutions.0", tensors["const"][0], codes[0], next(noise))
    states = [x]
    for block in range(sum(name.startswith("enlargements") for name in tensors) // 2):
        first, second = codes[1 + 2 * block], codes[2 + 2 * block]
        x = inverse_haar(x * affine(tensors, f"enlargements.{block}", first)[:, None, None])
        x = convolution(tensors, f"convolutions.{2 * block + 1}", x, first, next(noise))
        states.append(x)
        x = convolution(tensors, f"convolutions.{2 * block + 2}", x, second, next(noise))
        states.append(x)
    x = x * affine(tensors, "image_affine", codes[-1])[:, None, None] / np.sqrt(len(x))
    wavelets = np.einsum("oc,chw->ohw", tensors["image_weight"][:, :, 0, 0], x)
    return states, inverse_haar(wavelets + tensors["image_bias"][:, None, None])


def tensors_of(generator):
    return {name: x.double().numpy() for name, x in generator.state_dict().items()}
