"""The server as a process of its own: its address, its signals, its errors."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from served import connected, encoded

import keras_mixer
from keras_mixer import serving

pytestmark = pytest.mark.once

CODE = "import sys, keras_mixer_cli as c; sys.exit(c.main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Two servers that wait for a batch of four, the second one long; both start at once."""
    folder = tmp_path_factory.mktemp("served")
    spec = keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
    keras_mixer.Mixer(spec, weights=None, classes=2).save(folder / "m.keras")
    (folder / "labels.json").write_text('["cat", "dog"]')
    arguments = ["serve", str(folder / "m.keras"), "--port", "0", "--max-batch", "4"]
    arguments += ["--labels", str(folder / "labels.json")]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments, "--max-wait", wait],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for wait in ("4000", "60000")
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def url_of(process):
    """What the process prints, which waits until it is there."""
    line = process.stdout.readline()
    assert line.rstrip().endswith("m.keras: 2 classes"), line + process.stderr.read()
    return line.split()[0]


def test_sigterm_lets_accepted_requests_be_answered(processes):
    process = processes[0]
    picture = encoded(np.zeros((9, 9, 3), "uint8"))
    with connected(url_of(process)) as client, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(client.classify, picture) for _ in range(3)]
        client.until("keras_mixer_queue_images", 3)
        assert client.get("/health").json()["model"] == "m.keras"  # Not where it lies.
        process.send_signal(signal.SIGTERM)
        for one in asked:
            answer = one.result()
            assert answer.status_code == 200
            labels = [row["label"] for row in answer.json()["predictions"][0]]
            assert sorted(labels) == ["cat", "dog"]
    assert process.wait(120) == 0
    errors = process.stderr.read()
    assert errors.splitlines()[-1] == "ready"
    assert "Traceback" not in errors


def test_a_second_signal_ends_it_at_once(processes):
    process = processes[1]
    with connected(url_of(process)) as client, ThreadPoolExecutor(1) as pool:
        pool.submit(client.classify, encoded(np.zeros((9, 9, 3), "uint8")))
        client.until("keras_mixer_queue_images", 1)
        process.send_signal(signal.SIGINT)
        for _ in range(300):  # Until it has closed its port.
            try:
                client.get("/health")
            except Exception:
                break
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == -signal.SIGTERM


def test_errors_are_one_line(run_command, tmp_path):
    spec = keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
    keras_mixer.Mixer(spec, weights=None, classes=2).save(tmp_path / "m.keras")
    target = tmp_path / "m.keras"
    with serving.listen(port=0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = run_command("serve", target, "--port", port)
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == [
        f"Error: Cannot listen on port {port} of 127.0.0.1: Address already in use. Choose another "
        "--port (0 for a free one) or --host."
    ]
    (tmp_path / "names.json").write_text(json.dumps(["a", "b", "c"]))
    for arguments, code, line in (
        ((tmp_path / "nothing",), 2, "does not exist. It takes the directory of a run"),
        (("mixer_ti4",), 2, "mixer_ti4 needs --weights"),
        ((target, "--host", "no.such.host.invalid"), 1, "Cannot listen on port 0 of no.such."),
        ((target, "--labels", tmp_path / "names.json"), 1, "has 3 names and the model has 2"),
        ((target, "--labels", target), 2, "is not JSON"),
        ((target, "--queue", "8"), 2, "8 is less than --max-batch 32"),
    ):
        found, out, err = run_command("serve", *arguments, "--port", 0)
        assert (found, out) == (code, ""), err
        assert line in err.splitlines()[-1], err


def test_a_name_of_published_weights_needs_them(run_command):
    code, _, err = run_command("serve", "mixer_b16", "--weights", "imagenet", "--port", 0)
    print(err)
    assert code == 1
    assert "KERAS_MIXER_OFFLINE" in err.splitlines()[-1]
