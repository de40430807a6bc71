"""Runs `train_digits.py`, in one process or several on loopback, and compares what came out."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np

PROGRAM = pathlib.Path(__file__).with_name("train_digits.py")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(asked, *, devices=1, before=(), program=PROGRAM, **variables):
    """A process of its own, with so many of JAX' virtual devices."""
    env = {**os.environ, **variables}
    env["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, *before, str(program), json.dumps(asked)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_several(asked, processes=2, *, devices=1, **calls):
    """Processes that find each other; `asked` is for all of them, or one for each."""
    address = f"127.0.0.1:{free_port()}"
    each = asked if isinstance(asked, list) else [asked] * processes
    return [
        start(
            {
                **one,
                "call": {
                    **{"processes": processes, "process": number, "coordinator": address},
                    **{"wait": 60, **calls, **one.get("call", {})},
                },
            },
            devices=devices,
        )
        for number, one in enumerate(each)
    ]


def ended(process, code=0):
    """What a process printed, once it has ended."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, f"{process.returncode}: {out}\n{err}"
    return out, err


def result(process):
    """The history that a training printed."""
    out, _ = ended(process)
    return json.loads(out.splitlines()[-1])["history"]


def assert_same(history, other, tolerance=1e-4):
    """Every loss and score, of training and of judging, to a relative difference."""
    assert history["step"] == other["step"]
    for name in ("loss", "val_loss", "top_1", "val_top_1"):
        np.testing.assert_allclose(history[name], other[name], rtol=tolerance, err_msg=name)
