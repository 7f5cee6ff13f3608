"""The attacker wants a tensor that reaches outside of its storage, or is vast: every number of its record is wrong."""

import struct

import pytest
from assemble import array, bare, call, state_dict, storage, stream, tensor, zipped
from reading import Attack, check, named

SHAPES = {
    "negative offset": {"offset": -1},
    "vast offset": {"offset": 1 << 62},
    "offset that is true": {"offset": True},
    "offset beyond the end": {"offset": 1},
    "negative size": {"shape": (-2, -2)},
    "negative stride": {"stride": (-1, 1)},
    "stride beyond the end": {"stride": (3, 1)},
    "vast sizes of stride 0": {"shape": (1 << 31, 1 << 31), "stride": (0, 0)},
    "sizes whose product overflows": {"shape": (1 << 32, 1 << 32), "stride": (0, 0)},
    "sizes beyond 64 bits": {"shape": (1 << 200, 1), "stride": (0, 0)},
    "vast empty sizes": {"shape": (0, 1 << 200)},
    "stride beyond 64 bits": {"shape": (1, 0), "stride": (1 << 200, 1)},
    "sizes of floats": {"shape": (2.0, 2.0)},
    "sizes of truths": {"shape": (True, True)},
    "sizes in a list": {"shape": [2, 2]},
    "no sizes": {"shape": None},
    "more sizes than strides": {"shape": (2, 2, 1)},
    "100 dimensions": {"shape": (1,) * 100, "stride": (1,) * 100},
    "a tensor in no storage": {"of": call("torch.device", "cpu")},
    "a storage that does not exist": {"of": storage("1")},
    "a key that leads outside": {"of": storage("../data.pkl")},
    "a storage of quantised numbers": {"of": storage("0", "torch.QInt8Storage")},
    "a storage of a known name that is none": {"of": storage("0", "torch.device")},
    "a storage that is a view": {"of": storage("0", "torch.FloatStorage", ("1", 0, 4))},
    "a storage of 8 bytes a number": {"of": storage("0", "torch.DoubleStorage")},
    "a key that is a number": {"of": storage(0)},
    "a key that is a list": {"of": storage([])},
}
ARRAYS = {
    "array of objects": {"code": "O8"},
    "array of structures": {"code": "i4,f4"},
    "array of vast items": {"code": "(1000000000,)f4"},
    "array of text": {"code": "S8"},
    "array of complex numbers": {"code": "c8"},
    "array of a type that is a list": {"code": ["f4"]},
    "array of an impossible order": {"order": "x"},
    "array larger than its content": {"shape": (3,)},
    "array of a negative size": {"shape": (-1,)},
    "array of a true size": {"shape": (True, 2)},
    "array of vast empty sizes": {"shape": (0, 1 << 62, 1 << 62)},
    "array of no content": {"content": None},
    "array of a content that is a list": {"content": []},
}
ATTACKS = {
    **{k: Attack(lambda x=x: zipped(state_dict(tensor(**x))), "tensor|torage|QInt8") for k, x in SHAPES.items()},
    **{k: Attack(lambda x=x: bare(state_dict(array(**x))), "tensor|rray") for k, x in ARRAYS.items()},
    **named(
        "cut short|damaged",
        a_stream_with_a_vast_storage=lambda: stream(state_dict(tensor()), ["0"], struct.pack("<Q", 1 << 62)),
        a_stream_with_a_storage_too_long=lambda: stream(state_dict(tensor()), ["0"], struct.pack("<Q", 5), b"\0" * 16),
        a_stream_with_a_key_of_nothing=lambda: stream(state_dict(tensor()), ["7"], struct.pack("<Q", 4), b"\0" * 16),
        a_stream_with_a_list_as_key=lambda: stream(state_dict(tensor()), [[]], struct.pack("<Q", 4), b"\0" * 16),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_read_outside_of_a_storage(attack, outcomes):
    check(outcomes[f"test_to_read_outside {attack}"], ATTACKS[attack])
