"""What training on several devices costs or brings: time of a step beside one device alone.

    KERAS_BACKEND=jax python apps/benchmarks/distribution.py

Mixer-B/16's widths in two layers, 64 pixels, 32 images in all, AdamW, through `model.fit`; in turn,
medians. On accelerators the last column is the scaling efficiency: the speed of all devices by that
of one times their number. On CPUs several processes or virtual devices share the same cores, so
they cannot be faster; the last column is then the overhead, the time beyond that of one process.
TensorFlow runs two logical CPUs, JAX two virtual ones and two processes, PyTorch two processes.
"""

import json
import os
import socket
import statistics
import subprocess
import sys

ROUNDS, STEPS, BATCH, SIZE = 3, 24, 32, 64
BACKEND = os.environ.get("KERAS_BACKEND", "")


def measure(asked: dict) -> None:
    """One process: prints the accelerators that it uses, and the median seconds of a step."""
    if asked.get("logical"):
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * asked["logical"]
        tf.config.set_logical_device_configuration(cpu, parts)
    import numpy as np
    from clock import Clock

    import keras_mixer

    place = keras_mixer.distribution.current()
    if asked["call"] is not None:
        place = keras_mixer.distribution.initialize(**asked["call"])
    number, count = place.shard
    spec = keras_mixer.MixerSpec("two_layers", 16, 2, 768, 384, 3072, SIZE)
    model = keras_mixer.Mixer(spec, weights=None, classes=10)
    model.compile(keras_mixer.training.AdamW(1e-3), "sparse_categorical_crossentropy")
    x = np.random.default_rng(number).normal(size=(BATCH // count, SIZE, SIZE, 3))
    y = np.arange(len(x)) % 10
    x, y = np.tile(x.astype("float32"), (STEPS, 1, 1, 1)), np.tile(y, STEPS)
    clock = Clock()
    model.fit(x, y, batch_size=BATCH // count, shuffle=False, verbose=0, callbacks=[clock])
    seconds = [b - a for a, b in zip(clock.ends[3:], clock.ends[4:], strict=False)]
    accelerators = place.replicas if keras_mixer.profiling.this_machine().device != "CPU" else 0
    print(json.dumps({"seconds": statistics.median(seconds), "accelerators": accelerators}))


def run(processes: list[dict], devices: int = 1) -> dict:
    env = {**os.environ}
    if devices > 1:
        env["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    started = [
        subprocess.Popen(
            [sys.executable, __file__, json.dumps(asked)], env=env, stdout=subprocess.PIPE
        )
        for asked in processes
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process failed")
    return json.loads(printed[0].splitlines()[-1])


def two_processes() -> list[dict]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    both = {"kind": "data", "processes": 2, "coordinator": address}
    return [{"call": {**both, "process": number}} for number in range(2)]


def main() -> None:
    setups = {"one device": lambda: run([{"call": None}])}
    if BACKEND == "tensorflow":
        setups["two devices"] = lambda: run([{"call": {"kind": "data"}, "logical": 2}])
    else:
        setups["two processes"] = lambda: run(two_processes())
    if BACKEND == "jax":
        for kind in ("data", "model"):
            setups[f"two devices, {kind}"] = lambda kind=kind: run(
                [{"call": {"kind": kind}}], devices=2
            )
    measured: dict[str, list[dict]] = {name: [] for name in setups}
    for _ in range(ROUNDS):
        for name, setup in setups.items():
            measured[name].append(setup())
    alone = [one["seconds"] for one in measured["one device"]]
    for name, results in measured.items():
        seconds = statistics.median(one["seconds"] for one in results)
        ratio = statistics.median(
            one["seconds"] / least for one, least in zip(results, alone, strict=True)
        )
        devices = results[0]["accelerators"]
        told = (
            f"efficiency {1 / ratio / devices:.2f}" if devices > 1 else f"overhead {ratio - 1:+.0%}"
        )
        print(f"{BACKEND:10} {name:20} {1000 * seconds:6.0f} ms a step  {told}")


if __name__ == "__main__":
    measure(json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
