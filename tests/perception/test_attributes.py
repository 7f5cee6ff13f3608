"""The registry of scorers, and all of them on a generated face where the weights are in the cache."""

import math
import sys
from functools import cache

import numpy as np
import pytest

from zplus.archives import folder
from zplus.errors import MissingExtraError, UnknownNameError
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.weights import FACE_MODELS, dlib
from zplus.perception import age_gender, weights
from zplus.perception.age_identity import card
from zplus.perception.attributes import ATTRIBUTES, Scorer, Scorers, independent
from zplus.perception.identity import Identity, distance
from zplus.perception.weights import AGE_GENDER, EMOTION, LPIPS_WEIGHTS


class Blind(FaceDetector):
    """A detector that sees no face."""

    def largest(self, pixels):
        return None


@pytest.mark.parametrize("attribute", ["smile_network smile_geometry", "age age_identity", "yaw yaw_five"])
def test_these_can_judge_each_other(attribute):
    a, b = attribute.split()
    assert independent(a, b)
    assert independent(b, a)
    assert not independent(a, a)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'pitch'"):
        Scorers(Blind()).measure(np.zeros((8, 8, 3), np.uint8), ["pich"])
    with pytest.raises(UnknownNameError):
        independent("smile", "yaw")


def test_no_face_is_nan_for_all():
    pixels = np.zeros((8, 8, 3), np.uint8)
    names = ["yaw", "smile_geometry"]
    found = Scorers(Blind()).measure(pixels, names)
    assert list(found) == names and all(map(math.isnan, found.values()))


def test_scorers_load_once(monkeypatch):
    loads = []

    def load(detector):
        loads.append(detector)
        return lambda face: float(face.pixels[0, 0, 0])

    class Reader(Blind):
        def largest(self, pixels):
            return DetectedFace((0.0, 0.0, 1.0, 1.0), np.zeros((68, 2)), np.zeros((5, 2)))

    monkeypatch.setitem(ATTRIBUTES, "test", Scorer("test", "the first value", "", "", load))
    scorers = Scorers(Reader())
    for k in (0, 7):
        assert scorers.measure(np.full((2, 2, 3), k, np.uint8), ["test"]) == {"test": k}
    assert len(loads) == 1


def test_missing_extras_are_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(weights, "cached", tmp_path.joinpath)
    monkeypatch.setattr(weights, "require", lambda archive: tmp_path)
    with pytest.raises(MissingExtraError, match=r"onnx .*zplus\[faces\]"):
        age_gender.Age()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match="dlib"):
        dlib()


def test_the_factor_of_a_layers_inputs_is_folded_into_its_weights():
    shapes = []
    for out, c_in in ((32, 3), (32, 32), (64, 32), (64, 64)):
        shapes += [(out, c_in, 3, 3), (out,), (1, out, 1, 1), (1, out, 1, 1)]
    shapes += [(1,), (4096, 16), (16,), (1,), (16, 2), (2,)]
    found = weights._fold_gender(np.full(shape, 2, np.float32) for shape in shapes)
    assert found["last.weight"].tolist() == [[4.0] * 16] * 2 and found["last.bias"].tolist() == [2.0, 2.0]


def test_the_card_of_age_identity_says_how_well_it_predicts():
    assert len(card()["coefficients"]) == 128
    assert card()["left_out_correlation"] > 0.7


@cache
def face() -> np.ndarray:
    """A generated face, uint8 [1024,1024,3]; skips where anything is missing."""
    pytest.importorskip("dlib", reason="dlib is not installed")
    if any(folder(archive) is None for archive in (FACE_MODELS, LPIPS_WEIGHTS, AGE_GENDER, EMOTION)):
        pytest.skip("the face models are not in the cache: run zplus pull")
    import torch  # noqa: PLC0415

    from zplus.generators.zoo import load_generator, model_path  # noqa: PLC0415

    if not model_path("ffhq-mobile").exists():
        pytest.skip("ffhq-mobile is not in the cache: run zplus pull ffhq-mobile")
    generator = load_generator("ffhq-mobile")
    z = torch.from_numpy(np.random.RandomState(4).randn(1, 1, generator.z_dim)).float()
    with torch.inference_mode():
        w = generator.map(z.expand(-1, generator.num_codes, -1))
        image = generator.synthesize(inputs(generator, w))
    return ((image[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def inputs(generator, w):
    from zplus.generators.contract import SynthesisInputs  # noqa: PLC0415

    return SynthesisInputs(generator.styles(w))


def test_a_generated_face_is_scored_and_its_mirror_image_alike():
    scorers, pixels = Scorers(), face()
    one = scorers.measure(pixels, ATTRIBUTES)
    other = scorers.measure(np.ascontiguousarray(pixels[:, ::-1]), ATTRIBUTES)
    assert all(math.isfinite(x) for x in (*one.values(), *other.values()))
    assert one["yaw"] == pytest.approx(-other["yaw"], abs=6)
    assert one["yaw"] == pytest.approx(one["yaw_five"], abs=10)
    assert one["pitch"] == pytest.approx(other["pitch"], abs=4)
    assert one["smile_network"] == pytest.approx(other["smile_network"], abs=1)
    assert one["smile_geometry"] == pytest.approx(other["smile_geometry"], abs=0.1)


def test_a_small_copy_is_the_same_person_and_noise_is_nobody():
    identity, pixels = Identity(), face()
    whole, half = identity.embed(pixels), identity.embed(np.ascontiguousarray(pixels[::2, ::2]))
    assert distance(whole, half) < 0.3  # at 0.6 dlib takes two faces for one person's
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert np.isnan(identity.embed(noise)).all()
    assert np.isnan(identity.embed(np.zeros((1, 1, 3), np.uint8))).all()
