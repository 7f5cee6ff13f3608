"""Checkpoints of other programs: every format of FORMATS becomes the generator that it was written from."""

import pickle

import numpy as np
import pytest
import stylegan2_oracle as oracle
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from checkpoint_files import FORMATS, SKIP_ONLY, nvidia_tensorflow, nvidia_torch, write
from tiny import tiny_stylegan2
from zplus.errors import CheckpointError, ZplusError
from zplus.generators import SynthesisInputs, load_generator, save_generator, statistics
from zplus.generators.checkpoints.codes import read_codes, write_codes
from zplus.generators.checkpoints.export import genforce, rosinality
from zplus.generators.checkpoints.read import read_checkpoint

KINDS = [(kind, case) for kind in FORMATS for case in ("skip", "resnet") if case == "skip" or kind not in SKIP_ONLY]
KINDS.append(("nvidia_torch", "conditional"))  # the only ones that state a clamp


def renderings(generator):
    if generator.config.c_dim:
        generator = generator.with_label(oracle.LABEL)
    w = generator.map(torch.from_numpy(oracle.samples(generator.z_dim, generator.num_codes)).float())
    styles = generator.styles(w)
    return {"w": w} | {
        mode: generator.synthesize(SynthesisInputs(styles, generator.noise(mode))) for mode in ("const", "none")
    }


@pytest.mark.parametrize(("kind", "case"), KINDS)
def test_a_checkpoint_renders_the_golden_images(kind, case, tmp_path):
    path = write(tmp_path / "model.pkl", kind, tiny_stylegan2(**oracle.CASES[case]))
    generator, notes = read_checkpoint(path)
    golden = load_file(oracle.GOLDEN)
    for key, value in renderings(generator).items():
        assert_close(value, golden[f"{case}.{key}"], atol=2e-5, rtol=0)
    assert generator.name == "model"
    assert all("encoder" in note for note in notes)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "sizes",
    [
        {"resolution": 64, "channels": 6, "z_dim": 12, "w_dim": 20, "mapping_layers": 5},
        {"resolution": 8, "channels": 16, "mapping_layers": 1},
    ],
)
def test_every_size_is_inferred(kind, sizes, tmp_path):
    written = tiny_stylegan2(**sizes)
    read, _ = read_checkpoint(write(tmp_path / "a.pt", kind, written))
    assert read.config == written.config
    for name, tensor in written.state_dict().items():
        assert_close(read.state_dict()[name], tensor, atol=1e-6, rtol=1e-6)


def test_the_learning_rate_of_the_mapping_and_the_clamp_are_read(tmp_path):
    written = tiny_stylegan2(mapping_lr=0.1, conv_clamp=64.0)
    path = tmp_path / "a.pkl"
    path.write_bytes(nvidia_torch(written))
    assert read_checkpoint(path)[0].config == written.config


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_every_protocol_in_use_are_read(protocol, tmp_path):
    path, written = tmp_path / "a.pkl", tiny_stylegan2()
    path.write_bytes(nvidia_torch(written, protocol=protocol))
    assert read_checkpoint(path)[0].fingerprint == written.fingerprint


def test_a_tensorflow_model_may_learn_labels(tmp_path):
    written = tiny_stylegan2(c_dim=3)
    path = tmp_path / "a.pkl"
    path.write_bytes(nvidia_tensorflow(written))
    read = read_checkpoint(path)[0]
    z = torch.ones(1, 1, 16)
    assert_close(read.with_label(1).map(z), written.with_label(1).map(z))


def test_weights_in_half_precision_and_double_are_read(tmp_path):
    written = tiny_stylegan2()
    torch.save({"g_ema": {k: v.half() for k, v in rosinality(written).items()}}, tmp_path / "half.pt")
    (tmp_path / "double.pkl").write_bytes(nvidia_torch(written, double=True))
    for name, tolerance in (("half.pt", 2e-3), ("double.pkl", 1e-6)):
        read, _ = read_checkpoint(tmp_path / name)
        assert {x.dtype for x in read.state_dict().values()} == {torch.float32}
        for key, tensor in written.state_dict().items():
            if key != "mapping.w_avg":
                assert_close(read.state_dict()[key], tensor, atol=tolerance * max(1, tensor.abs().max()), rtol=0)


def test_a_layer_without_noise_gets_none(tmp_path):
    written = tiny_stylegan2()
    tensors = {k: v for k, v in written.state_dict().items() if "noise" not in k}
    written.state_dict = lambda: tensors
    path = tmp_path / "a.pkl"
    path.write_bytes(nvidia_torch(written, use_noise=False, resolution=8))
    with pytest.raises(CheckpointError, match=r"synthesis\.b4\.conv1\.noise_const is \(8, 8\), expected \(4, 4\)"):
        read_checkpoint(path)


# What is said aloud


def test_what_stands_in_for_averaged_weights_is_said(tmp_path):
    written = tiny_stylegan2()
    (tmp_path / "a.pkl").write_bytes(nvidia_torch(written, key="G"))
    torch.save({"g": rosinality(written), "latent_avg": written.w_mean}, tmp_path / "b.pt")
    torch.save({"generator": genforce(written)}, tmp_path / "c.pth")
    for name, word in (("a.pkl", "G_ema"), ("b.pt", "g_ema"), ("c.pth", "generator_smooth")):
        _, (note,) = read_checkpoint(tmp_path / name)
        assert word in note
        with pytest.warns(UserWarning, match=word):
            load_generator(tmp_path / name)


def test_a_missing_mean_of_w_is_said_and_sampled(tmp_path):
    torch.save({"g_ema": rosinality(tiny_stylegan2())}, tmp_path / "a.pt")
    generator, notes = read_checkpoint(tmp_path / "a.pt")
    assert notes == ["It states no mean of w: samples will give it."]
    assert generator.w_mean is None
    assert statistics(generator).w_mean.shape == (16,)


# What is no generator


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"D": 0, "training_set_kwargs": {}}, "No StyleGAN generator"),
        ({"d": {"final_conv.0.weight": 0}, "g_optim": 1}, "a discriminator and no generator"),
        ({"discriminator": {}, "runner": 1}, "a discriminator and no generator"),
        ({"state_dict": {"encoder.x": torch.ones(1)}}, "No StyleGAN generator"),
        ({"synthesis.early_layer.const": torch.ones(1), "synthesis.layer0.conv.weight": 1}, "StyleGAN1"),
        ([1, 2], "No StyleGAN generator"),
    ],
)
def test_other_content_is_named(tree, words, tmp_path):
    torch.save(tree, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(tmp_path / "a.pt")


def test_an_old_network_of_tensorflow_is_named(tmp_path):
    (tmp_path / "a.pkl").write_bytes(nvidia_tensorflow(tiny_stylegan2(), version=2))
    with pytest.raises(CheckpointError, match="StyleGAN1 or older"):
        read_checkpoint(tmp_path / "a.pkl")


def test_other_architectures_and_activations_are_named(tmp_path):
    path = tmp_path / "a.pkl"
    for attributes in ({"architecture": "orig"}, {"activation": "relu"}):
        path.write_bytes(nvidia_torch(tiny_stylegan2(), **attributes))
        with pytest.raises(CheckpointError, match="is not supported"):
            read_checkpoint(path)


def test_missing_tensors_are_named(tmp_path):
    tensors = rosinality(tiny_stylegan2())
    del tensors["convs.2.activate.bias"]
    torch.save({"g_ema": tensors}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"synthesis\.b16\.conv0\.bias is missing"):
        read_checkpoint(tmp_path / "a.pt")


# Labels


def test_a_label_is_bound_at_load(tmp_path):
    path, written = tmp_path / "a.safetensors", tiny_stylegan2(c_dim=3)
    save_generator(written, path)
    bound = [load_generator(path, label=label) for label in (0, 1, [0.0, 1.0, 0.0])]
    assert len({x.fingerprint for x in bound}) == len({x.mapping_fingerprint for x in bound}) == 2
    assert bound[1].fingerprint == bound[2].fingerprint != written.fingerprint
    assert bound[1].name == "tiny-skip-0 under label 1"
    with pytest.raises(ZplusError, match=r"has no label 3: its labels are 0 to 2"):
        load_generator(path, label=3)


def test_a_generator_without_labels_takes_none(tmp_path):
    save_generator(tiny_stylegan2(), tmp_path / "a.safetensors")
    with pytest.raises(ZplusError, match="takes no label"):
        load_generator(tmp_path / "a.safetensors", label=0)


# Safetensors and codes


def test_bare_tensors_in_safetensors_are_read(tmp_path):
    written = tiny_stylegan2()
    save_file({k: v.clone() for k, v in written.state_dict().items()}, tmp_path / "a.safetensors")
    assert read_checkpoint(tmp_path / "a.safetensors")[0].fingerprint == written.fingerprint


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
def test_codes_come_back(suffix, tmp_path):
    codes, path = torch.randn(2, 3, 5), tmp_path / f"a{suffix}"
    write_codes(codes, path)
    assert_close(read_codes(path), codes)


@pytest.mark.parametrize(("shape", "full"), [((5,), (1, 1, 5)), ((3, 5), (1, 3, 5)), ((2, 3, 5), (2, 3, 5))])
def test_codes_of_every_shape_are_read(shape, full, tmp_path):
    codes = torch.randn(shape)
    np.save(tmp_path / "a.npy", codes.numpy())
    torch.save(codes, tmp_path / "a.pt")
    for name in ("a.npy", "a.pt"):
        assert_close(read_codes(tmp_path / name), codes.view(full))


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01", pickle.dumps([1]), b"PK\x03\x04", b"<html>", b"version https://git-lfs"]
)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".txt"])
def test_no_other_file_holds_codes(content, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(ZplusError):
        read_codes(path)
