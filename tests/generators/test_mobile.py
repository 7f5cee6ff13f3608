"""MobileStyleGAN against the oracle beside this file, its reader against a writer, and the real one where it is."""

from pathlib import Path

import mobile_oracle as oracle
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.testing import assert_close

from points import generator_of, normal
from zplus.errors import CheckpointError, ZplusError
from zplus.generators import SynthesisInputs, load_generator
from zplus.generators.checkpoints.openvino import constants, read_mobile_stylegan
from zplus.generators.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig, inverse_haar
from zplus.generators.zoo import MODELS, model_path

GOLDEN = Path(__file__).parent / "golden" / "ffhq_mobile.safetensors"


@pytest.fixture(scope="module")
def generator():
    return generator_of("mobile")


def numpy_of(tensor):
    return tensor.double().numpy()


def close(found, expected, atol=2e-5):
    assert_close(found, torch.from_numpy(np.asarray(expected)).float(), atol=atol, rtol=0)


# Arithmetic


def test_inverse_haar_is_the_loop_and_inverts_haar():
    x = normal(2, 12, 3, 3)
    close(inverse_haar(x), [oracle.inverse_haar(row) for row in numpy_of(x)])
    picture = np.random.RandomState(0).standard_normal((3, 8, 8))
    close(inverse_haar(torch.from_numpy(oracle.haar(picture))[None].float())[0], picture)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_convolution_is_the_loop(generator, k):
    layer = generator.convolutions[k]
    x, w = normal(2, layer.affine.out_features, *layer.noise.shape[2:]), normal(2, 16)
    expected = [
        oracle.convolution(oracle.tensors_of(generator), f"convolutions.{k}", a, b)
        for a, b in zip(numpy_of(x), numpy_of(w), strict=True)
    ]
    close(layer(x, layer.affine(w), None), expected)


def test_mapping_is_the_loop(generator):
    z = 3 * normal(2, 4, 16)
    close(generator.map(z), [[oracle.map_code(oracle.tensors_of(generator), x) for x in row] for row in numpy_of(z)])


@pytest.mark.parametrize("mode", ["const", "none", "12"])
def test_the_whole_network_is_the_loop(generator, mode):
    """Image and all states; every layer under a code of its own."""
    w = generator.map(normal(2, generator.num_codes, 16))
    noise = generator.noise(mode)
    inputs = SynthesisInputs(generator.styles(w), noise)
    maps = None if noise is None else [numpy_of(x)[0, 0] for x in noise]
    rows = [oracle.synthesise(oracle.tensors_of(generator), codes, maps) for codes in numpy_of(w)]
    close(generator.synthesize(inputs), [image for _, image in rows])
    for k in range(len(generator.layers)):
        close(generator.head(inputs, k).features, [states[k] for states, _ in rows], atol=1e-4)


# Contract


def test_layers_and_codes(generator):
    assert [tuple(x) for x in generator.layers] == [
        ("b4.conv1", 4, 16, 0, 0),
        ("b8.conv0", 8, 16, 1, 0),
        ("b8.conv1", 8, 16, 2, 0),
        ("b16.conv0", 16, 8, 3, 0),
        ("b16.conv1", 16, 8, 4, 0),
    ]
    assert generator.style_codes == (0, 1, 1, 2, 3, 3, 4, 5)
    assert generator.style_sizes == (16, 16, 4, 16, 16, 4, 8, 8)
    assert (generator.num_codes, generator.layer("16"), generator.layer("b8.conv0")) == (6, 4, 1)


def test_the_full_size_has_16_codes_and_lines_up_with_stylegan2():
    with torch.device("meta"):
        full = MobileStyleGAN(MobileStyleGANConfig())
    assert full.num_codes == 16
    assert full.layers[full.layer("32")].code == 6
    assert len(full.style_sizes) == 23


def test_seeded_noise_has_the_strength_of_the_stored_one(generator):
    seeded = generator.noise("5")
    for ours, layer in zip(seeded, generator.convolutions, strict=True):
        assert ours.shape == layer.noise.shape
    assert_close(seeded[-1].std(), generator.convolutions[-1].noise.std(), rtol=0.15, atol=0)


def test_channels_must_cover_all_resolutions():
    with pytest.raises(ZplusError, match=r"expected \[4, 8, 16\]"):
        MobileStyleGANConfig(resolution=32, channels={4: 8, 8: 8})


# The reader of OpenVINO's intermediate representation


class Graph:
    """Writes constants as OpenVINO does: an XML of layers, and one file of all numbers."""

    def __init__(self):
        self.lines, self.blob = [], b""

    def add(self, name, value, kind="f32"):
        data = np.asarray(value, {"f32": np.float32, "i64": np.int64}[kind])
        shape = ", ".join(map(str, data.shape))
        self.lines.append(
            f'<layer id="{len(self.lines)}" name="{name}" type="Const" version="opset1"><data element_type="{kind}" '
            f'shape="{shape}" offset="{len(self.blob)}" size="{data.nbytes}"/></layer>'
        )
        self.blob += data.tobytes()

    def files(self):
        layers = "".join(self.lines) + '<layer id="999" name="out" type="Result" version="opset1"/>'
        return f'<?xml version="1.0"?><net version="10"><layers>{layers}</layers></net>'.encode(), self.blob


def graphs(generator):
    """The two networks of a generator under the names and shapes of the real files, scalars and axes included."""
    state = generator.state_dict()
    mapping, synthesis = Graph(), Graph()
    mapping.add("Constant_5", [[2.0]])
    for i in range(generator.config.mapping_layers):
        mapping.add("axis", [1], "i64")
        mapping.add(f"{173 + 4 * i}", state[f"mapping.fc.{i}.weight"])
        mapping.add(f"{174 + 4 * i}", state[f"mapping.fc.{i}.bias"])
        mapping.add("slope", [0.2])
        mapping.add("", 1.0)
    names = {"image_affine": "m.layers.1.to_img.conv.modulation", "convolutions.0.affine": "m.conv1.conv.modulation"}
    for k in range(1, 5):
        names[f"convolutions.{k}.affine"] = f"m.layers.{(k - 1) // 2}.conv{1 + (k - 1) % 2}.conv.modulation"
    for b in range(2):
        names[f"enlargements.{b}"] = f"m.layers.{b}.up.modulation"
    for ours, theirs in reversed(names.items()):
        synthesis.add(f"{theirs}.weight", state[f"{ours}.weight"])
        synthesis.add(f"{theirs}.bias", state[f"{ours}.bias"][None])
        synthesis.add("Constant_18", np.ones((1, 1, 1, 1)))
    synthesis.add("m.input.input", state["const"])
    for k in range(5):
        theirs = "m.conv1" if not k else f"m.layers.{(k - 1) // 2}.conv{1 + (k - 1) % 2}"
        if k % 2:
            synthesis.add("1539", np.ones((4, 1, 1, 2, 1)))
        if k:
            synthesis.add(f"{theirs}.conv.weight_dw", state[f"convolutions.{k}.depthwise"][:, None])
        synthesis.add(f"Mul_{k}_copy", state[f"convolutions.{k}.weight"])
        synthesis.add(f"{1531 + k}", state[f"convolutions.{k}.noise"])
        synthesis.add(f"{theirs}.bias", state[f"convolutions.{k}.bias"][None, :, None, None])
    synthesis.add("m.layers.1.to_img.conv.weight", state["image_weight"])
    synthesis.add("m.layers.1.to_img.bias", state["image_bias"][None, :, None, None])
    return mapping, synthesis


def test_what_was_written_is_read(generator):
    mapping, synthesis = graphs(generator)
    found, expected = read_mobile_stylegan(mapping.files(), synthesis.files()), generator.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_constants_of_other_types_are_passed_over():
    graph = Graph()
    graph.add("axis", [1], "i64")
    graph.add("a", np.arange(6).reshape(2, 3))
    ((name, value),) = constants(*graph.files())
    assert name == "a"
    assert torch.equal(value, torch.arange(6.0).view(2, 3))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('offset="4"', 'offset="400000"'),
        ('offset="4"', 'offset="-4"'),
        ('size="8"', 'size="12"'),
        ('shape="2"', 'shape="3"'),
        ('shape="2"', 'shape="two"'),
        ('offset="4"', 'offset="four"'),
        ('shape="2"', 'shape="-2"'),
        ("</net>", ""),
        ("<?xml", "smile"),
    ],
)
def test_damaged_constants_are_refused(generator, old, new):
    graph = Graph()
    graph.add("a", [1.0])
    graph.add("b", [1.0, 2.0])
    xml, blob = graph.files()
    assert xml.count(old.encode()) == 1
    with pytest.raises(CheckpointError, match="damaged"):
        read_mobile_stylegan((xml.replace(old.encode(), new.encode()), blob), graphs(generator)[1].files())


def test_files_cut_short_are_refused(generator):
    mapping, synthesis = (graph.files() for graph in graphs(generator))
    for cut in ((mapping[0][:-200], mapping[1]), (mapping[0], mapping[1][:-1]), (b"", b"")):
        with pytest.raises(CheckpointError, match="damaged"):
            read_mobile_stylegan(cut, synthesis)


def test_a_missing_noise_map_is_refused(generator):
    mapping, synthesis = graphs(generator)
    synthesis.lines = [line for line in synthesis.lines if 'name="1533"' not in line]
    with pytest.raises(CheckpointError, match="damaged"):
        read_mobile_stylegan(mapping.files(), synthesis.files())


# The real one


@pytest.fixture(scope="module")
def ffhq():
    if not model_path("ffhq-mobile").is_file():
        pytest.skip("ffhq-mobile is not in the cache (zplus pull ffhq-mobile)")
    return load_generator("ffhq-mobile")


def test_ffhq_mobile_gives_what_openvino_gave(ffhq):
    """z, w, a thumbnail and a crop of one picture by the package's own engine in fp32 (see the parity benchmark)."""
    golden = load_file(GOLDEN)
    w = ffhq.map(golden["z"][:, None])
    assert_close(w[:, 0], golden["w"], atol=2e-5, rtol=0)
    with torch.inference_mode():
        image = ffhq.synthesize(SynthesisInputs(ffhq.styles(w[:1].expand(-1, 16, -1))))
    assert image.shape == (1, 3, 1024, 1024)
    assert_close(image[0, :, 384:416, 384:416], golden["crop"], atol=2e-4, rtol=0)
    assert_close(F.adaptive_avg_pool2d(image, 16)[0], golden["thumbnail"], atol=1e-3, rtol=0)  # stored from fp16 means


def test_ffhq_mobile_tells_where_it_comes_from():
    model = MODELS["ffhq-mobile"]
    assert "non-commercial" in model.licence
    assert model.source.archive.sha256.startswith("e5d10e2be7df63f0")
