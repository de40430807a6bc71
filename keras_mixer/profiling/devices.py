"""Devices that a plan can be made for, and the time that they take to add arrays up."""

import dataclasses
import math

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class DeviceType:
    """A kind of accelerator, and how many of them are joined.

    Args:
        name: what a user types.
        bfloat16: most FLOP/s of matrix products in bfloat16, without sparsity.
        float32: the same of products of float32 as JAX computes them by default: in TF32 on GPUs,
            in one pass of bfloat16 on TPUs.
        memory: bytes.
        link: bytes a second that a device sends to others of its group, over all of its links.
        group: devices that such links join: of one machine or one pod.
        network: bytes a second that a device sends out of its group; `None` where no public
            figure is known.
        source: where the figures come from.
    """

    name: str
    bfloat16: float
    float32: float
    memory: int
    link: float
    group: int
    network: float | None
    source: str


_H100 = "nvidia.com/en-us/data-center/h100 and h200 (half of the rates, which are with sparsity)"
_DGX = "docs.nvidia.com/dgx-basepod, core components (8 GPUs and 8 ports of 400 Gb/s a machine)"
_A100 = "nvidia.com/en-us/data-center/a100; DGX A100 datasheet (8 GPUs, 8 ports of 200 Gb/s)"
_TPU = "cloud.google.com/tpu/docs/"
# NVIDIA gives the sum of both directions of NVLink, Google for v5e and v5p those of a chip's
# links: halves are here. For v3 and v4 it is the all-reduce bandwidth of a pod by its chips. A
# TPU v3 is a core here, half of a chip, for that is what JAX shows and what the paper counts.
DEVICES: dict[str, DeviceType] = {
    row[0]: DeviceType(*row)
    for row in (
        # name      bfloat16  float32  memory      link    group  network
        ("a100", 312e12, 156e12, 80 * 10**9, 300e9, 8, 25e9, _A100),
        ("h100", 989.4e12, 494.7e12, 80 * 10**9, 450e9, 8, 50e9, f"{_H100}; {_DGX}"),
        ("h200", 989.4e12, 494.7e12, 141 * 10**9, 450e9, 8, 50e9, f"{_H100}; {_DGX}"),
        ("tpu-v3", 61.5e12, 61.5e12, 16 * GIB, 166e9, 2048, None, f"{_TPU}v3"),
        ("tpu-v4", 275e12, 275e12, 32 * GIB, 268e9, 4096, None, f"{_TPU}v4"),
        ("tpu-v5e", 197e12, 197e12, 16 * 10**9, 200e9, 256, 3.1e9, f"{_TPU}v5e"),
        ("tpu-v5p", 459e12, 459e12, 95 * GIB, 600e9, 6144, 6.25e9, f"{_TPU}v5p"),
    )
}


def ring_bytes(size: float, members: int) -> float:
    """Bytes that each member of a ring all-reduce sends, of arrays of `size` bytes.

    Each array is cut into as many parts as there are members; `members - 1` parts are sent to be
    added up, and as many to hand out the sums (Patarasuk and Yuan 2009,
    https://doi.org/10.1016/j.jpdc.2008.09.002).
    """
    return 2 * (members - 1) * size / members


def all_reduce_seconds(size: float, members: int, device: DeviceType, stride: int = 1) -> float:
    """Time in which devices add up arrays of `size` bytes, and all get the sum.

    Within a group a ring over its links. Over several groups in two levels, which together send
    the bytes of one ring: each device of a group sums up a part of its own over the network,
    after that part was added up in the group and before it is handed out there. Latency is not
    counted.

    Args:
        size: bytes.
        members: devices that take part.
        device: their type.
        stride: distance between two of them; what lies between belongs to other all-reduces, that
            go on at the same time.

    Raises:
        ValueError: they are of several groups, and `device` has no `network`.
    """
    inside = min(members, max(1, device.group // stride))
    groups = math.ceil(members / inside)
    seconds = ring_bytes(size, inside) / device.link
    if groups == 1:
        return seconds
    if device.network is None:
        raise ValueError(
            f"{members * stride} devices of type {device.name} are more than one pod of "
            f"{device.group}, and no public figure says how fast pods are joined. Give `network`, "
            "bytes a second of each device (--network, in GB/s)."
        )
    return seconds + ring_bytes(size / inside, groups) / device.network
