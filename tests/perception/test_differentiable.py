"""The networks of identity, age and gender against their first libraries, and gradients against finite differences."""

from functools import cache

import numpy as np
import pytest
import torch

from command_line import ASTRONAUT, needs_faces
from zplus.archives import folder, require
from zplus.errors import CheckpointError
from zplus.faces.align import align
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import dlib
from zplus.images import read_image, to_pixels, to_tensor
from zplus.perception import age_gender, emotion, identity, weights
from zplus.perception.differentiable import DifferentiableFace, Unlikeness, _cut, _weights
from zplus.perception.face_input import FaceInput, largest_face
from zplus.perception.lpips import at
from zplus.perception.residual import Block, as_dlib_sees, convolutions, residual

needs_networks = pytest.mark.skipif(
    folder(weights.AGE_GENDER) is None or folder(weights.EMOTION) is None, reason="run 'zplus pull all' first"
)
ALL = {
    "identity": (identity.SIZE, identity.PADDING, lambda chip: identity.descriptors(weights.identity_tensors(), chip)),
    "age": (age_gender.AGE_SIZE, age_gender.PADDING, lambda chip: age_gender.age(weights.age_tensors(), chip)),
    "gender": (
        age_gender.GENDER_SIZE, age_gender.PADDING, lambda chip: age_gender.gender(weights.gender_tensors(), chip)
    ),
    "smile": (emotion.SIZE, emotion.PADDING, lambda chip: emotion.smile(weights.emotion_tensors(), chip)),
}  # fmt: skip
NEAR = {"identity": 0.05, "age": 2.0, "gender": 1.0, "smile": 0.7}  # of the differentiable chip to dlib's


@cache
def face() -> FaceInput:
    found = largest_face(read_image(ASTRONAUT), FaceDetector())
    assert found is not None
    return found


@needs_faces
def test_descriptors_are_dlibs():
    oracle = dlib().face_recognition_model_v1(FaceDetector().file(weights.IDENTITY_FILE))
    chip = face().chip(identity.SIZE, identity.PADDING)
    for pixels in (
        chip,
        np.ascontiguousarray(chip[:, ::-1]),
        np.ascontiguousarray(chip.transpose(1, 0, 2)),
        255 - chip,
    ):
        got = identity.descriptors(weights.identity_tensors(), to_tensor(pixels))[0]
        np.testing.assert_allclose(got.numpy(), np.array(oracle.compute_face_descriptor(pixels)), atol=1e-5)


@needs_faces
@needs_networks
@pytest.mark.parametrize("name", ["age", "gender"])
def test_age_and_gender_are_those_of_the_onnx_files(name):
    onnx = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    size, padding, network = ALL[name]
    image = to_tensor(face().chip(size, padding))
    oracle = onnx.ReferenceEvaluator(str(require(weights.AGE_GENDER) / f"{name}-v1.onnx"))
    (probabilities,) = oracle.run(None, {"images": as_dlib_sees(image).numpy()})
    (p,) = probabilities.astype(np.float64)
    expected = p @ age_gender.YEARS if name == "age" else np.log(p[1] / p[0])
    assert float(network(image)) == pytest.approx(expected, abs=1e-3)


@needs_faces
@needs_networks
@pytest.mark.parametrize("name", ALL)
def test_a_score_of_an_image_is_nearly_that_of_dlibs_chip(name):
    size, padding, network = ALL[name]
    image = to_tensor(face().pixels)
    got = getattr(DifferentiableFace(face()), name)(torch.cat([image, image / 2]))
    expected = network(to_tensor(face().chip(size, padding)))
    assert len(got) == 2
    assert (got[0] - expected[0]).norm() < NEAR[name]


@needs_faces
@needs_networks
@pytest.mark.parametrize("name", ALL)
def test_a_step_along_the_gradient_changes_the_score_as_it_says(name):
    seen, image = DifferentiableFace(face()), to_tensor(face().pixels).requires_grad_()

    def score(x: torch.Tensor) -> torch.Tensor:
        return getattr(seen, name)(x).flatten().sum()

    (gradient,) = torch.autograd.grad(score(image), image)
    assert gradient.isfinite().all() and (gradient != 0).any()
    step = gradient / gradient.norm()
    with torch.no_grad():
        rise = (score(image + 0.05 * step) - score(image - 0.05 * step)) / 0.1
    assert float(rise) == pytest.approx(float(gradient.norm()), rel=0.1)


@needs_faces
def test_a_gradient_is_there_after_a_first_use_without_any():
    _weights.cache_clear()
    image = to_tensor(face().pixels)
    with torch.inference_mode():
        expected = DifferentiableFace(face()).identity(image).sum()
    image.requires_grad_()
    found = DifferentiableFace(face()).identity(image).sum()
    found.backward()
    assert float(found.detach()) == pytest.approx(float(expected), abs=1e-4) and image.grad.abs().max() > 0


@needs_faces
def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="pixels"):
        DifferentiableFace(face()).chips(torch.zeros(1, 3, 64, 64), 32, 0.2)


@pytest.mark.parametrize("density", [0.7, 1.7, 5.0])
def test_a_chip_is_cut_where_the_matrix_says_and_black_beyond(density):
    matrix = np.array([[density, 0, 20.0], [0, density, 30.0]])
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    chip = _cut(torch.stack([x + 0.5, y + 0.5, x], 0)[None], matrix, 16)[0]
    p = (np.arange(16) + 0.5) * density
    halvings = {0.7: 0, 1.7: 0, 5.0: 2}[density]
    aside = (2**halvings - 1) / 2
    np.testing.assert_allclose(chip[0, 8], p + 20 - aside, atol=1e-3)
    np.testing.assert_allclose(chip[1, :, 8], p + 30 + aside, atol=1e-3)
    assert (_cut(torch.ones(1, 3, 64, 64), matrix + 1000, 16) == -1).all()


def test_gradients_of_the_chip_and_of_a_small_network_are_those_of_finite_differences():
    blocks = (Block(2), Block(3, 2), Block(3, 2))
    random = torch.Generator().manual_seed(0)
    small = {f"{name}.weight": torch.randn(s, generator=random) / 4 for name, s in convolutions(blocks).items()}
    small |= {f"{name}.bias": torch.randn(s[0], generator=random) / 4 for name, s in convolutions(blocks).items()}
    small |= {"last.weight": torch.randn(2, 3, generator=random)}
    small = {name: x.double() for name, x in small.items()}
    matrix = np.array([[2.1, 0.1, 0.0], [-0.1, 2.1, 1.0]])
    image = torch.rand(1, 3, 9, 9, generator=random, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: _cut(x, matrix, 4), image)
    image = torch.rand(1, 3, 39, 39, generator=random, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: residual(small, x, blocks), image, fast_mode=True)


@pytest.mark.parametrize("content", [b"", b"\x08\x07\x12\x07pytorch", b"\xff" * 99, b"\x3a\xff\xff\xff\xff\x07"])
def test_another_onnx_file_is_refused(tmp_path, monkeypatch, content):
    pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.setattr(weights, "cached", tmp_path.joinpath)
    monkeypatch.setattr(weights, "require", lambda archive: tmp_path)
    for name, read in (("age", weights.age_tensors), ("gender", weights.gender_tensors)):
        (tmp_path / f"{name}-v1.onnx").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot be read .*pull again"):
            read()


@needs_faces
def test_unlikeness_is_the_squared_distance_where_a_face_is_shown():
    detector, pixels = FaceDetector(), align(read_image(ASTRONAUT), FaceDetector()).pixels
    shown = at(to_tensor(pixels), 256)
    shown = torch.cat([shown, torch.zeros_like(shown)])
    unlikeness = Unlikeness(shown, detector)
    assert unlikeness(shown).tolist() == [0, 0]
    images = (shown * 0.5 + 0.3 * torch.linspace(-1, 1, 256)).requires_grad_()
    found = unlikeness(images)
    embed = identity.Identity(detector).embed
    expected = identity.distance(*(embed(to_pixels(x[0])) for x in (images.detach(), shown))) ** 2
    assert found[0].item() == pytest.approx(expected, rel=0.1) and expected > 0.01 and found[1] == 0
    found.sum().backward()
    assert images.grad[0].abs().max() > 0 and images.grad[1].abs().max() == 0
