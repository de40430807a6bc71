"""JAX: `keras.distribution`."""

import socket

import keras

from keras_mixer.distribution.group import Group
from keras_mixer.distribution.layout import mixer_layout
from keras_mixer.distribution.place import Distribution


def start(kind: str, split: int | None, group: Group | None, host: str) -> Distribution:
    """Sets Keras' distribution over all devices of all processes."""
    process, processes = (group.process, group.processes) if group else (0, 1)
    if group:
        address = group.broadcast(f"{host}:{_free_port(host)}".encode()).decode()
        keras.distribution.initialize(address, processes, process)
    devices = keras.distribution.list_devices()
    if kind == "auto":
        kind = "data" if len(devices) > 1 else "none"
    if kind == "none":
        return Distribution()
    # Every process reads its own part of a batch itself.
    if kind == "data":
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
        )
        return Distribution("data", process, processes, len(devices), group=group)
    split = split or len(devices)
    if len(devices) % split:
        raise ValueError(
            f"{len(devices)} devices cannot be shared out in groups of {split}. Choose a --split "
            "that divides their number."
        )
    replicas = len(devices) // split
    mesh = keras.distribution.DeviceMesh((replicas, split), ("batch", "model"), devices)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=mixer_layout(mesh), batch_dim_name="batch", auto_shard_dataset=False
        )
    )
    return Distribution("model", replicas=replicas, split=split)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return server.getsockname()[1]
