"""ONNX files: onnxruntime shows the same pictures, in any number of rows."""

import pytest
import torch
from torch.testing import assert_close

from tiny import TINY, tiny_stylegan2
from zplus.errors import ZplusError
from zplus.generators import SynthesisInputs
from zplus.generators.onnx_files import write_onnx

runtime = pytest.importorskip("onnxruntime", reason="pip install 'zplus[export]' first")
pytest.importorskip("onnxscript", reason="pip install 'zplus[export]' first")


def run(path, **inputs):
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_outputs()]
    found = session.run(names, {name: x.contiguous().numpy() for name, x in inputs.items()})
    return {name: torch.from_numpy(x) for name, x in zip(names, found, strict=True)}


@pytest.mark.parametrize("kind", ["skip", "mobile"])
def test_onnxruntime_shows_the_same_pictures(kind, tmp_path):
    generator = TINY[kind]()
    layer = 2
    mapping, head, rest, whole = write_onnx(generator, tmp_path, layer)
    noise = generator.noise("5")
    for rows in (1, 3):
        z = torch.randn(rows, generator.num_codes, generator.z_dim, generator=torch.Generator().manual_seed(rows))
        codes = generator.map(z)
        inputs = SynthesisInputs(generator.styles(codes))
        assert_close(run(mapping, z=z)["w"], codes, atol=1e-4, rtol=0)
        assert_close(run(whole, codes=codes)["image"], generator.synthesize(inputs), atol=1e-4, rtol=0)
        state = generator.head(inputs, layer)
        features = run(head, codes=codes)
        assert list(features) == ["features", "rgb"][: 1 + (state.rgb is not None)]
        assert_close(features["features"], state.features, atol=1e-4, rtol=0)
        later = {f"noise_{k}": x for k, x in enumerate(noise) if k > generator.layers[layer].code}
        want = generator.synthesize(SynthesisInputs(inputs.styles, noise).with_feature(layer, state))
        assert_close(run(rest, codes=codes, **features, **later)["image"], want, atol=1e-4, rtol=0)


def test_what_cannot_be_written_is_refused(tmp_path):
    for generator, opset, words in (
        (tiny_stylegan2(), 11, "opset 11 is too old"),
        (TINY["stylegan3-t"](), 18, "is a StyleGAN3"),
        (tiny_stylegan2().tuned({}), 18, "tuned to one photo"),
        (tiny_stylegan2(c_dim=3), 18, "choose one of its 3 labels"),
    ):
        with pytest.raises(ZplusError, match=words):
            write_onnx(generator, tmp_path / "onnx", 2, opset)
