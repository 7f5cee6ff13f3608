"""The attacker wants more memory or time than the file is worth: sizes that are claimed, repetitions, packed zips."""

import json
import struct

import pytest
from assemble import (
    Ops,
    array,
    bare,
    built,
    call,
    loaded,
    network,
    state_dict,
    stream,
    tensor,
    value,
    zip_of,
    zipped,
)  # fmt: skip
from reading import check, named

ONE = tensor((1, 1), (1, 1))


def many(count: int, record: Ops, prefix: str = "x") -> Ops:
    """A dictionary of the same record many times."""
    held = b"".join(value(f"{prefix}{k}") + b"h\x01" for k in range(count))
    return Ops(record + b"q\x010}(" + value("synthesis.b4.const") + b"h\x01" + held + b"u")


def layers(count: int) -> Ops:
    held = b"".join(value(f"mapping.fc{k}.weight") + b"h\x01" for k in range(count))
    names = ("synthesis.b4.const", "synthesis.b4.resample_filter", "synthesis.b4.conv1.weight")
    return Ops(ONE + b"q\x010}(" + held + b"".join(value(x) + tensor((2, 2), (0, 0)) for x in names) + b"u")


def tensorflow(**options) -> bytes:
    record = built(call("dnnlib.tflib.network.Network"), {"version": 4, "static_kwargs": options, "components": {}})
    return bare((record, record, record))


def safetensors(header: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header


def ours(**sizes) -> bytes:
    config = {"resolution": 8, "channels": {"4": 2, "8": 2}, "mapping_layers": 0, **sizes}
    words = {"zplus": "generator", "architecture": "stylegan2", "name": "x", "config": json.dumps(config)}
    return safetensors(json.dumps({"__metadata__": words}).encode())


def sized(side: int, layer: int = 0, taps: int = 4) -> bytes:
    """A state dict that claims a resolution or a layer."""
    tensors = {
        "synthesis.b4.conv1.weight": tensor((0, 0, 3, 3), (0, 0, 0, 0)),
        f"synthesis.b{side}.conv1.weight": tensor((0, 0, 3, 3), (0, 0, 0, 0)),
        "synthesis.b4.const": ONE,
        "synthesis.b4.resample_filter": tensor((taps, taps), (0, 0)),
        "mapping.fc0.weight": ONE,
        f"mapping.fc{layer}.weight": ONE,
    }
    return zipped(tensors, data__1=b"\0" * 100_000)


ATTACKS = {
    **named(
        "damaged or cut short|so many steps|refused|No StyleGAN",
        a_vast_place_in_a_list=lambda: bare(Ops(b"]r\xff\xff\xff\x7f" + b"p99999999999999999999\n" * 2 + b"a")),
        a_vast_place_of_memory=lambda: bare(Ops(b"Nr\xff\xff\xff\x7f" + b"p99999999999999999999\n")),
        a_vast_number=lambda: bare(Ops(b"\x8b\xff\xff\xff\x7f" + b"1" * 100)),
        a_vast_text=lambda: bare(Ops(b"\x8d" + struct.pack("<Q", 1 << 60))),
        vast_bytes=lambda: bare(Ops(b"\x8e" + struct.pack("<Q", 1 << 36))),
        a_vast_array_of_bytes=lambda: bare(Ops(b"\x96" + struct.pack("<Q", 1 << 40))),
        a_negative_length=lambda: bare(Ops(b"T\xff\xff\xff\xff")),
        three_million_steps=lambda: bare(Ops(b"N0" * 1_500_000 + b"N")),
        a_million_marks=lambda: bare(Ops(b"(" * 2_000_000)),
        a_million_dictionaries=lambda: bare(Ops(b"](" + b"}" * 2_000_000 + b"e")),
        a_number_of_a_million_digits=lambda: bare(Ops(b"I" + b"9" * 1_000_000 + b"\n")),
    ),
    **named(
        "more parts than any|more memory than the file",
        one_tensor_many_times=lambda: zipped(many(100_000, ONE), data__1=b"\0" * 10),
        one_large_tensor_many_times=lambda: zipped(
            many(10_000, tensor((1 << 22,), (1,))), data__0=b"\0" * (1 << 24)
        ),
        one_storage_of_many_tensors=lambda: zipped(
            Ops(b"}(" + b"".join(value(f"{k}synthesis") + ONE for k in range(5000)) + value("synthesis.b4.const")
                + tensor((50, 1 << 20), (0, 1)) + b"u"), data__0=b"\0" * (1 << 22)
        ),
        one_array_many_times=lambda: bare(many(60_000, array())),
        nothing_many_times=lambda: zipped(many(100_000, Ops(b"N"))),
    ),
    **named(
        "is known: it is refused|do not fit|no short texts|more memory than the file|no usable numbers",
        a_resolution_of_65536=lambda: sized(65536),
        a_resolution_of_2_to_the_40=lambda: sized(1 << 40),
        a_resolution_of_a_thousand_digits=lambda: sized(10**999),
        a_resolution_between_two=lambda: sized(6),
        a_layer_of_a_high_number=lambda: sized(8, 999999),
        ten_thousand_layers=lambda: zipped(layers(10_000), data__1=b"\0" * 100_000),
        a_filter_of_1000_taps=lambda: sized(8, taps=1000),
    ),
    **named(
        "of a StyleGAN|no StyleGAN|No StyleGAN|damaged",
        a_filter_of_tensorflow_of_100000_taps=lambda: tensorflow(resample_kernel=[1] * 100_000),
        a_noise_without_end=lambda: bare({"G_ema": network({"_modules": {k: network(
            {"use_noise": False, "resolution": 1 << 20, "_parameters": {"weight": array()}}
        ) for k in ("mapping", "synthesis")}})}),
    ),
    **named(
        "is packed: no torch.save",
        a_zip_of_gigabytes=lambda: zip_of({"data.pkl": b"\0" * 60_000_000}, packed=True),
    ),
    **named(
        "no checkpoint|lists more files|cut short|encrypted|big-endian|TorchScript|damaged",
        two_programs_in_a_zip=lambda: zip_of({"a/data.pkl": b"", "b/data.pkl": b""}, top=""),
        names_that_lead_outside=lambda: zip_of({"../../../data.pkl": bare(1), "/etc/x": b""}, top=""),
        many_files=lambda: zip_of({f"{k:0200d}": b"" for k in range(20_000)}),
        a_directory_without_end=lambda: zipped(1)[:-10] + b"\xff\xff\xff\x7f" + zipped(1)[-6:],
        an_encrypted_zip=lambda: zipped(1).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
        a_big_machine=lambda: zipped(1, byteorder=b"big"),
        a_program_of_torchscript=lambda: zipped(1, **{"constants.pkl": bare(1)}),
    ),
    **named(
        "SafetensorError|damaged|unknown format|not a readable|No StyleGAN",
        a_header_without_end=lambda: safetensors(b"{", 1 << 60),
        a_header_of_110_megabytes=lambda: safetensors(b"{" + b" " * 110_000_000),
        a_deep_header=lambda: safetensors(b'{"a":' * 100_000),
        overlapping_tensors=lambda: safetensors(json.dumps(
            {k: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for k in "ab"}).encode()) + b"\0" * 16,
        a_vast_tensor=lambda: safetensors(json.dumps(
            {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()) + b"\0" * 16,
        our_resolution_of_2_to_the_40=lambda: ours(resolution=1 << 40, channels={str(1 << k): 1 for k in range(2, 41)}),
        our_layers_without_end=lambda: ours(mapping_layers=10**9),
        our_filter_without_end=lambda: ours(taps=[1] * 1_000_000),
    ),
    **named("not floating|wrong of shape|No StyleGAN|cut short|damaged|deep|so many steps",
        nested_storages=lambda: bare(state_dict(tensor(of=loaded(stream(Ops(b"N0" * 1000 + b"N")))))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_fill_memory(attack, outcomes):
    check(outcomes[f"test_to_fill_memory {attack}"], ATTACKS[attack])
