"""Files of a few kilobytes that ask for more memory, time or patience than any known model."""

import os
import threading

import assemble
import pytest
from assemble import Ops, bare, call, name, tensor, value

from zplus.command.parsing import parse_own
from zplus.command.sample import parse_seeds
from zplus.errors import ImageError, ZplusError
from zplus.generators import load_generator, save_generator
from zplus.generators.checkpoints import storages
from zplus.generators.checkpoints.codes import read_code_arrays
from zplus.generators.checkpoints.read import read_tensors
from zplus.generators.mobile_stylegan import MobileStyleGANConfig
from zplus.generators.stylegan2 import StyleGAN2Config, sides
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config
from zplus.workflow.finished import file_hash
from zplus.workflow.json_files import read_json


def test_feature_maps_that_no_model_has():
    for config in ({}, {"kernel": 1, "radial": True, "channels": (1024,) * 7 + (645, 406, 256, 161, 102, 64, 64)}):
        StyleGAN3Config(**config)  # configurations T and R at 1024 px
    with pytest.raises(ValueError, match="feature maps"):
        StyleGAN3Config(resolution=1024, z_dim=4, w_dim=4, channels=(1, 1, 4096))
    for base, most in ((2**15, 512), (2**16, 1024)):  # configuration F, and its double
        StyleGAN2Config(1024, channels={side: min(base // side, most) for side in sides(1024)})
    with pytest.raises(ValueError, match="feature maps"):
        StyleGAN2Config(4096, channels=dict.fromkeys(sides(4096), 512))
    with pytest.raises(ValueError, match="feature maps"):
        MobileStyleGANConfig(4096, channels=dict.fromkeys(sides(2048), 512))


@pytest.mark.parametrize("config", [MobileStyleGANConfig, StyleGAN2Config])
def test_a_resolution_of_thousands_of_digits_is_not_written_out(config):
    with pytest.raises(ValueError, match="no generator of") as refusal:
        config(resolution=10**4000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("magnitude", [0.0, -1.0])
def test_a_magnitude_that_has_no_root(magnitude, tmp_path):
    generator = StyleGAN3(StyleGAN3Config(resolution=16, z_dim=4, w_dim=4, channels=(2, 2, 2)))
    path = tmp_path / "a.safetensors"
    save_generator(generator, path)
    load_generator(str(path))
    next(x for name, x in generator.state_dict().items() if name.endswith("magnitude_ema")).fill_(magnitude)
    save_generator(generator, path)
    with pytest.raises(ZplusError, match="magnitude that is not positive"):
        load_generator(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_are_not_waited_for(tmp_path):
    (tmp_path / "folder").mkdir()
    pipe, refusals = tmp_path / "a.npy", []
    os.mkfifo(pipe)

    def read():
        for work, kind in ((read_code_arrays, (ZplusError, OSError)), (file_hash, ImageError)):
            with pytest.raises(kind):
                work(pipe)
            refusals.append(work)
        refusals.append(read_json(pipe) is None and read_json)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert refusals == [read_code_arrays, file_hash, read_json]


def test_numbers_of_thousands_of_digits():
    with pytest.raises(ZplusError, match="no list of seeds"):
        parse_seeds("9" * 5000)
    assert parse_own((f"{'9' * 5000}:smile=1",))[1] == {}  # no face has such a number, and no direction this name


def test_a_text_that_encodes_a_storage_is_read_once(tmp_path, monkeypatch):
    asked, alone = [], storages._alone
    monkeypatch.setattr(storages, "_alone", lambda content: asked.append(len(content)) or alone(content))
    text = value(assemble.alone().decode("latin1")) + b"q\x010"
    encoded = Ops(name("_codecs.encode") + b"h\x01" + value("latin1") + b"\x86R")
    many = {f"x{i}": tensor(of=call("torch.storage._load_from_bytes", encoded)) for i in range(50)}
    (tmp_path / "a.pkl").write_bytes(bare(Ops(text + value(many))))
    assert len(read_tensors(tmp_path / "a.pkl")) == 50 and len(asked) == 1
