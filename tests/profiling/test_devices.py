"""The time of an all-reduce, worked by hand."""

import dataclasses
import pathlib

import pytest

from keras_mixer.profiling import DEVICES
from keras_mixer.profiling.devices import all_reduce_seconds, ring_bytes

pytestmark = pytest.mark.once

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "plan.md"
# Four devices a machine, 100 bytes a second within it and 10 between machines.
SMALL = dataclasses.replace(DEVICES["h100"], link=100.0, group=4, network=10.0)


def simulated_ring(arrays):
    """A ring all-reduce of lists of numbers, one for each member; gives them and what each sent."""
    members = len(arrays)
    arrays, sent = [list(array) for array in arrays], [0] * members
    for turn in range(2 * (members - 1)):
        adds = turn < members - 1
        messages = []
        for member in range(members):
            part = (member - turn + (0 if adds else 1) + (0 if adds else members - 1)) % members
            messages.append((part, arrays[member][part]))
            sent[member] += 1
        for member, (part, value) in enumerate(messages):
            after = (member + 1) % members
            arrays[after][part] = arrays[after][part] + value if adds else value
    return arrays, sent


@pytest.mark.parametrize("members", [2, 3, 5])
def test_bytes_of_a_ring_are_those_of_the_algorithm(members, rng):
    arrays = rng.integers(0, 100, (members, members))
    summed, sent = simulated_ring(arrays)
    assert all(array == list(arrays.sum(0)) for array in summed)
    assert sent == [ring_bytes(members, members)] * members


def test_bytes_by_hand():
    # Two members swap their halves and hand out the sums: the size of one array. Four: 3 quarters
    # to add up and 3 to hand out. One has nobody to send to.
    assert ring_bytes(1000, 2) == 1000
    assert ring_bytes(1000, 4) == 1500
    assert ring_bytes(1000, 1) == 0


def test_seconds_by_hand():
    # Within a machine 1500 bytes at 100 a second. Over three machines each device then sums up
    # its quarter, 250 bytes, over the network: 2 * 2 / 3 * 250 / 10 s.
    assert all_reduce_seconds(1000, 4, SMALL) == pytest.approx(15)
    assert all_reduce_seconds(1000, 12, SMALL) == pytest.approx(15 + 100 / 3)
    # Every second device of a machine: rings of two, 1000 bytes; then halves, over the network.
    assert all_reduce_seconds(1000, 2, SMALL, stride=2) == pytest.approx(10)
    assert all_reduce_seconds(1000, 4, SMALL, stride=2) == pytest.approx(10 + 50)
    # One of each machine.
    assert all_reduce_seconds(1000, 2, SMALL, stride=4) == pytest.approx(100)
    assert all_reduce_seconds(1000, 1, SMALL) == 0


@pytest.mark.parametrize("members", [8, 12, 256])
def test_two_levels_send_what_one_ring_would(members):
    same = dataclasses.replace(SMALL, network=SMALL.link)
    assert all_reduce_seconds(1000, members, same) == pytest.approx(
        ring_bytes(1000, members) / same.link
    )


def test_more_devices_than_a_pod():
    tpu = DEVICES["tpu-v3"]
    assert all_reduce_seconds(1e9, tpu.group, tpu) > 0
    with pytest.raises(ValueError, match=r"4096 devices of type tpu-v3 are more than one pod of"):
        all_reduce_seconds(1e9, 4096, tpu)
    assert all_reduce_seconds(1e9, 4096, dataclasses.replace(tpu, network=1e9)) > 0


def test_every_device_has_a_source_and_figures_in_their_units():
    for name, device in DEVICES.items():
        assert device.name == name
        assert "." in device.source
        assert 10e12 < device.float32 <= device.bfloat16 < 5e15
        assert 10e9 < device.memory < 500e9
        assert device.network is None or 1e9 < device.network < device.link < 2e12


def test_the_table_of_the_docs():
    rows = DOCS.read_text().splitlines()
    for device in DEVICES.values():
        rates = ", ".join(f"{rate / 1e12:g}" for rate in (device.bfloat16, device.float32))
        network = "not known" if device.network is None else f"{device.network / 1e9:g}"
        cells = (rates, f"{device.memory / 2**30:.1f}", f"{device.link / 1e9:g}", device.group)
        assert f"| {device.name} | {' | '.join(map(str, cells))} | {network} |" in rows
