"""Files that are no generator, by mistake or on purpose: each is called what it is, in one line for a terminal."""

import gzip

import pytest
from assemble import bare, built, call, network, tensor, zip_of, zipped
from reading import Attack, check

HTML = b"<!DOCTYPE html><html>Sign in</html>"


def of(words: str, content: bytes) -> Attack:
    return Attack(lambda: content, words)


def network_of_tensorflow(version: int):
    return built(call("dnnlib.tflib.network.Network"), {"version": version})


def parts(mapping):
    return {"_modules": {"mapping": network({"_modules": mapping}), "synthesis": network({})}}


ATTACKS = {
    "a pointer of git": of("pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "a web page": of("web page", HTML),
    "a web page after white space": of("web page", b"\r\n\t  " + HTML),
    "a web page after a mark of its order": of("web page", b"\xef\xbb\xbf\n" + HTML),
    "the graph of openvino": of("XML", b"<?xml version='1.0'?><net name='x'/>"),
    "gzip": of("gzip", gzip.compress(bare(1))),
    "7-zip": of("7-Zip", b"7z\xbc\xaf\x27\x1c" + b"\0" * 26),
    "hdf5": of("HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 20),
    "png": of("picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 20),
    "jpeg": of("picture", b"\xff\xd8\xff\xe0" + b"\0" * 20),
    "onnx": of("ONNX", b"\x08\x07\x12\x07pytorch"),
    "nothing": of("an empty file", b""),
    "a text": of("This is a text", b"import torch\n"),
    "a text with a brace in the place of safetensors": of("This is a text", b"let a = {}\n"),
    "zeros": of("unknown format", b"\0" * 1000),
    "a stylegan3 of nvidia without its tensors": of(
        "no StyleGAN generator",
        bare(network({"_modules": {"synthesis": network({"_modules": {"L0_36_512": network({})}})}})),
    ),
    "a stylegan-xl by its class": of("StyleGAN-XL", bare(network(parts({}), class_name="SuperresGenerator"))),
    "a stylegan-xl by its mapping": of("StyleGAN-XL", bare(network(parts({"embed_proj": network({})})))),
    "an embedding alone, which makes no stylegan-xl": of(
        "No StyleGAN generator", bare({"G": call("torch.nn.modules.sparse.Embedding")})
    ),
    "an embedding in a mapping, which makes no stylegan-xl": of(
        "no StyleGAN2 generator", bare(network(parts({"embed": call("torch.nn.modules.sparse.Embedding")})))
    ),
    "an r3gan as tensors": of("R3GAN", zipped({"MainLayers.0.Layers.0.Basis": tensor()})),
    "a stylegan3 as tensors": of("StyleGAN3", zipped({"synthesis.L0_36_512.weight": tensor()})),
    "a stylegan1 of tensorflow": of("StyleGAN1", bare((network_of_tensorflow(3),) * 3)),
    "a stylegan1 as tensors": of("StyleGAN1", zipped({"g_synthesis.blocks.4x4.const": tensor()})),
    "two networks of tensorflow": of("2 networks", bare((network_of_tensorflow(4),) * 2)),
    "a discriminator of nvidia": of("discriminator", bare({"D": network({})})),
    "a discriminator alone": of("class 'Discriminator'", bare(network({}, class_name="Discriminator"))),
    "a discriminator as tensors": of("discriminator", zipped({"b4.out.weight": tensor()})),
    "a discriminator of rosinality": of("discriminator", zipped({"final_conv.0.weight": tensor()})),
    "an encoder": of("encoder", zipped({"state_dict": {"encoder.body.weight": tensor()}})),
    "a zip of several models": of("zip of 2 files", zip_of({"a.pkl": bare(1), "b.pkl": bare(2)})),
    "a list": of("a list", bare([1])),
    "nothing at all": of("None", bare(None)),
    "an empty tuple": of("a tuple", bare(())),
    "names of several lines and colours": of("No StyleGAN", bare({"a\nb\x1b[31m\u202e\ud7ff": 1})),
    "a class of several lines": of("no StyleGAN", bare({"G": network({}, class_name="a\nTraceback\n\x1b[2J" * 99)})),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_pass_for_a_generator(attack, outcomes):
    check(outcomes[f"test_to_mislead {attack}"], ATTACKS[attack])
