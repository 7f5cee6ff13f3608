"""The smile network: Keras's padding against a loop, the folded weights, and a value kept from the real ones."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zplus.archives import folder
from zplus.cache import cache_folder
from zplus.perception.emotion import EMOTIONS, _pool, emotions
from zplus.perception.weights import EMOTION, _fold_emotion, emotion_tensors

# logits of pattern(), by the implementation whose smiles were checked on portraits and generated faces
ORACLE = [-0.7767, -7.2549, 0.3703, 3.2124, -1.1409, -0.9102, 2.3586]


def pattern() -> torch.Tensor:
    """A grey picture [1,1,64,64] in [-1,1]: two eyes and a mouth."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    eyes = torch.exp(-40 * ((x.abs() - 0.4) ** 2 + (y + 0.3) ** 2))
    mouth = torch.exp(-60 * (y - 0.5 + 0.3 * x**2) ** 2) * (x.abs() < 0.5)
    return (0.5 - eyes - mouth)[None, None]


@pytest.mark.parametrize("side", [15, 60])
def test_pooling_is_padded_as_keras_pads(side):
    x = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(0))
    count = math.ceil(side / 2)
    before = max((count - 1) * 2 + 3 - side, 0) // 2
    for i in range(count):
        for j in range(count):
            rows, columns = (slice(max(0, 2 * k - before), 2 * k - before + 3) for k in (i, j))
            assert torch.equal(_pool(x)[0, :, i, j], x[0, :, rows, columns].amax((1, 2)))


def keras_file(random: np.random.Generator) -> dict[str, np.ndarray]:
    """The layers of a mini-Xception under the names that Keras gives them."""
    file: dict[str, np.ndarray] = {}

    def add(layer: str, name: str, *shape: int) -> None:
        file[f"{layer}/{layer}_1/{name}:0"] = random.normal(size=shape).astype(np.float32) * 0.5

    widths = (8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128)
    for k, width in enumerate(widths, 1):
        for name in ("beta", "gamma", "moving_mean", "moving_variance"):
            add(f"batch_normalization_{k}", name, width)
        variance = f"batch_normalization_{k}/batch_normalization_{k}_1/moving_variance:0"
        file[variance] = np.abs(file[variance]) + 0.5
    add("conv2d_1", "kernel", 3, 3, 1, 8)
    add("conv2d_2", "kernel", 3, 3, 8, 8)
    for block, (i, o) in enumerate(((8, 16), (16, 32), (32, 64), (64, 128))):
        add(f"conv2d_{3 + block}", "kernel", 1, 1, i, o)
        for half, width in enumerate((i, o)):
            layer = f"separable_conv2d_{1 + 2 * block + half}"
            add(layer, "depthwise_kernel", 3, 3, width, 1)
            add(layer, "pointwise_kernel", 1, 1, width, o)
    add("conv2d_7", "kernel", 3, 3, 128, 7)
    add("conv2d_7", "bias", 7)
    return file


def unfolded(file: dict[str, np.ndarray], image: torch.Tensor) -> torch.Tensor:
    """The same network with its batch normalisations apart."""

    def get(layer: str, name: str) -> torch.Tensor:
        return torch.from_numpy(file[f"{layer}/{layer}_1/{name}:0"])

    def norm(x: torch.Tensor, k: int) -> torch.Tensor:
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        return F.batch_norm(x, *(get(f"batch_normalization_{k}", name) for name in names), eps=1e-3)

    def conv(x: torch.Tensor, layer: str, kernel: str = "kernel", **options: int) -> torch.Tensor:
        return F.conv2d(x, get(layer, kernel).permute(3, 2, 0, 1), **options)

    x = norm(conv(image, "conv2d_1"), 1).relu()
    x = norm(conv(x, "conv2d_2"), 2).relu()
    for block in range(4):
        y = x
        for half in range(2):
            layer = f"separable_conv2d_{1 + 2 * block + half}"
            depthwise = get(layer, "depthwise_kernel").permute(2, 3, 0, 1)
            y = F.conv2d(y, depthwise, padding=1, groups=y.shape[1])
            y = norm(conv(y, layer, "pointwise_kernel"), 4 + 3 * block + half)
            y = y.relu() if half == 0 else y
        x = _pool(y) + norm(conv(x, f"conv2d_{3 + block}", stride=2), 3 + 3 * block)
    return conv(x, "conv2d_7", padding=1).mean((2, 3)) + get("conv2d_7", "bias")


def test_folding_changes_nothing():
    file = keras_file(np.random.default_rng(0))
    got = emotions(_fold_emotion(file), pattern())
    torch.testing.assert_close(got, unfolded(file, pattern()), rtol=1e-3, atol=1e-3)


def test_official_weights():
    pytest.importorskip("h5py", reason="h5py is not installed")
    if folder(EMOTION) is None and not list((cache_folder() / "networks").glob("emotion-*.safetensors")):
        pytest.skip("the emotion network is not in the cache: run zplus pull")
    with torch.inference_mode():
        logits = emotions(emotion_tensors(), pattern())[0]
    assert len(EMOTIONS) == len(logits)
    assert logits.tolist() == pytest.approx(ORACLE, abs=2e-3)
