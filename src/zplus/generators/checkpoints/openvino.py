"""Reader of a MobileStyleGAN in OpenVINO's format (an XML graph and a file of constants)."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from zplus.errors import CheckpointError


def read_mobile_stylegan(mapping: tuple[bytes, bytes], synthesis: tuple[bytes, bytes]) -> dict[str, Tensor]:
    """The state dict of `MobileStyleGAN` from the (xml, bin) pairs of its two networks.

    Named constants are recognised by name. Weights with folded demodulation (`..._copy`) and noise maps [1, 1, r, r]
    come in the order of the convolutions.
    """
    try:
        return _named(constants(*mapping), constants(*synthesis))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise CheckpointError(f"These files are no MobileStyleGAN, or damaged ({error}): get them again.") from None


def _named(mapping: list[tuple[str, Tensor]], values: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    state = {}
    dense = [value for _, value in mapping if value.ndim and value.shape[0] > 1]
    for i, value in enumerate(dense):
        state[f"mapping.fc.{i // 2}.{('weight', 'bias')[i % 2]}"] = value

    folded = [value for name, value in values if name.endswith("_copy")]
    noise = [value for _, value in values if value.ndim == 4 and value.shape[:2] == (1, 1) and value.shape[2] > 1]
    for k, (weight, strength) in enumerate(zip(folded, noise, strict=True)):
        state[f"convolutions.{k}.weight"], state[f"convolutions.{k}.noise"] = weight, strength
    for name, value in values:
        if name.startswith("m."):
            ours = _our_name(name)
            vector = ours.endswith("bias")
            state[ours] = value.flatten() if vector else value.squeeze(1) if "depthwise" in ours else value
    return state


def _our_name(name: str) -> str:
    """m.layers.3.conv2.conv.modulation.weight -> convolutions.8.affine.weight, and so on."""
    name = name.removeprefix("m.").replace(".conv.modulation", ".affine").replace(".conv.weight_dw", ".depthwise")
    name = re.sub(r"^layers\.\d+\.to_img\.(conv\.)?", "image_", name)
    name = re.sub(r"^layers\.(\d+)\.up\.modulation", r"enlargements.\1", name)
    name = re.sub(r"^layers\.(\d+)\.conv(\d)", lambda m: f"convolutions.{2 * int(m[1]) + int(m[2])}", name)
    return re.sub(r"^conv1", "convolutions.0", name).replace("input.input", "const")


def constants(xml: bytes, blob: bytes) -> list[tuple[str, Tensor]]:
    """All fp32 constants of the graph with their names, in file order."""
    found = []
    for layer in ElementTree.fromstring(xml).iter("layer"):
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("element_type") != "f32":
            continue
        shape = [int(x) for x in data.get("shape", "").split(",") if x.strip()]
        offset, size = int(data.get("offset", -1)), int(data.get("size", -1))
        if offset < 0 or size != 4 * math.prod(shape) or offset + size > len(blob):
            raise CheckpointError(f"The constant {layer.get('name')} lies outside its file: the model is damaged.")
        value = np.frombuffer(blob, np.float32, size // 4, offset).reshape(shape).copy()
        found.append((layer.get("name", ""), torch.from_numpy(value)))
    return found
