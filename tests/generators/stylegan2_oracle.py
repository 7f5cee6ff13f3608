"""StyleGAN2 once more, from the paper's equations: numpy in float64, one sample at a time, no code shared with zplus.

Weights are fused with the style per sample, resampling inserts zeros and correlates. `python stylegan2_oracle.py` in
this folder writes the golden file anew.
"""

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "stylegan2.safetensors"
CASES = {
    "skip": {"resolution": 16},
    "resnet": {"resolution": 16, "architecture": "resnet"},
    "conditional": {"resolution": 16, "c_dim": 3, "conv_clamp": 1.0},
}
LABEL = 2


def correlate(x, weight):
    """The valid correlation of x [C,H,W] with weight [O,C,k,k]."""
    size = weight.shape[-1]
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    out = np.zeros((len(weight), height, width))
    for i in range(size):
        for j in range(size):
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], x[:, i : i + height, j : j + width])
    return out


def pad(x, before, after):
    return np.pad(x, ((0, 0), (before, after), (before, after)))


def filtered(x, kernel, gain=1.0):
    flipped = gain * kernel[::-1, ::-1]
    return np.concatenate([correlate(plane[None], flipped[None, None]) for plane in x])


def spread(x):
    """Put zeros between the pixels: [C,H,W] to [C,2H,2W]."""
    out = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2]))
    out[:, ::2, ::2] = x
    return out


def enlarge(x, kernel, border=0):
    """Enlarge by 2, with `border` pixels more on every side."""
    before, after = (len(kernel) + 1) // 2, (len(kernel) - 2) // 2
    return filtered(pad(spread(x), before + border, after + border), kernel, 4.0)


def shrink(x, kernel):
    return filtered(pad(x, (len(kernel) - 1) // 2, (len(kernel) - 2) // 2), kernel)[:, ::2, ::2]


def modulated(x, weight, style, kernel=None, demodulate=True):
    """Equations 1 and 3: scale the weight by the style, normalise it per output channel, convolve."""
    weight = weight * style[None, :, None, None]
    if demodulate:
        weight = weight / np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    if kernel is None:
        return correlate(pad(x, weight.shape[-1] // 2, weight.shape[-1] // 2), weight)
    return correlate(enlarge(x, kernel, border=1), weight[:, :, ::-1, ::-1])


def dense(x, part, lr=1.0):
    return part["weight"] @ x * lr / np.sqrt(len(x)) + part["bias"] * lr


def normalise(x):
    return x / np.sqrt((x**2).mean() + 1e-8)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


def nest(tensors):
    """{"a.b": x} to {"a": {"b": x}}, in float64."""
    tree = {}
    for name, x in tensors.items():
        *path, last = name.split(".")
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = np.asarray(x, dtype=np.float64)
    return tree


def map_code(mapping, z, label=None, lr=0.01):
    x = normalise(z.astype(np.float64))
    if label is not None:
        x = np.concatenate([x, normalise(dense(label, mapping["embed"]))])
    for i in range(sum(key.startswith("fc") for key in mapping)):
        x = leaky(dense(x, mapping[f"fc{i}"], lr))
    return x


def convolution(x, part, w, up, noisy, *, gain=1.0, clamp=np.inf):
    x = modulated(x, part["weight"], dense(w, part["affine"]), part["resample_filter"] if up else None)
    x = x + noisy * part["noise_const"] * part["noise_strength"] + part["bias"][:, None, None]
    return np.clip(leaky(x) * gain, -clamp * gain, clamp * gain)


def to_rgb(x, part, w, clamp=np.inf):
    style = dense(w, part["affine"]) / np.sqrt(len(x))
    return np.clip(modulated(x, part["weight"], style, demodulate=False) + part["bias"][:, None, None], -clamp, clamp)


def synthesise(synthesis, codes, noisy=True, clamp=None):
    """The image [3,R,R] of one sample from its codes [L,w_dim], with the stored noise or none."""
    clamp = np.inf if clamp is None else clamp
    x, rgb, used = synthesis["b4"]["const"], 0.0, 0
    for block in sorted(synthesis, key=lambda name: int(name[1:])):
        parts, short, gain = synthesis[block], 0.0, 1.0
        if "skip" in parts:
            gain, weight = np.sqrt(0.5), parts["skip"]["weight"]
            short = gain * enlarge(correlate(x, weight / np.sqrt(weight.shape[1])), parts["skip"]["resample_filter"])
        if "conv0" in parts:
            x = convolution(x, parts["conv0"], codes[used], True, noisy, clamp=clamp)
            used += 1
        x = short + convolution(x, parts["conv1"], codes[used], False, noisy, gain=gain, clamp=clamp)
        used += 1
        if "torgb" in parts:
            before = enlarge(rgb, parts["resample_filter"]) if np.ndim(rgb) else 0.0
            rgb = before + to_rgb(x, parts["torgb"], codes[used], clamp)
    return rgb


def samples(z_dim, codes):
    return np.random.RandomState(7).standard_normal((2, codes, z_dim))


def expected(generator):
    """w [2,L,w] and the images with stored noise and with none of two samples, by the oracle."""
    tree, config = nest(generator.state_dict()), generator.config
    label = np.eye(config.c_dim)[LABEL] if config.c_dim else None
    z = samples(config.z_dim, generator.num_codes)
    w = np.stack([[map_code(tree["mapping"], row, label) for row in rows] for rows in z])
    images = {
        key: np.stack([synthesise(tree["synthesis"], rows, noisy, config.conv_clamp) for rows in w])
        for key, noisy in (("const", True), ("none", False))
    }
    return {key: x.astype(np.float32) for key, x in {"w": w, **images}.items()}


def main():
    from safetensors.numpy import save_file  # noqa: PLC0415

    from tiny import tiny_stylegan2  # noqa: PLC0415

    found = {case: expected(tiny_stylegan2(**sizes)) for case, sizes in CASES.items()}
    GOLDEN.parent.mkdir(exist_ok=True)
    save_file({f"{case}.{key}": x for case, values in found.items() for key, x in values.items()}, GOLDEN)


if __name__ == "__main__":
    main()
