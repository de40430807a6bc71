"""Files are fetched once, verified, or refused with one line, over a real connection."""

import datetime
import hashlib
import io
import json
import signal
import subprocess
import sys
import time

import pytest
from bucket import Bucket, File

from keras_mixer.weights import cache_dir, is_cached, read_record
from keras_mixer.weights.fetch import fetch
from keras_mixer.weights.registry import STORAGE

pytestmark = pytest.mark.once

PATH = "/mixer_models/imagenet21k/Mixer-B_16.npz"
URL = STORAGE + PATH
NAME = "imagenet21k-Mixer-B_16.npz"
HUB_URL = "hf://timm/mixer/model.safetensors"
HUB_NAME = "mixer.safetensors"
SIZE = 1_000_000
END = b"the end"
CUT = SIZE * 4 // 10
REST = f"bytes={CUT}-"
DOWN = ("status", 503)

# A process that fetches, with at most `argv[3]` bytes a file.
SCRIPT = """
import resource, sys
from keras_mixer.weights.fetch import fetch
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    print(fetch(sys.argv[1], sys.argv[2], pause=0.01))
except OSError as error:
    print(error)
"""


@pytest.fixture
def content(rng):
    return rng.bytes(SIZE - len(END)) + END


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("KERAS_MIXER_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with Bucket() as bucket:
        monkeypatch.setenv("KERAS_MIXER_MIRROR", bucket.url + "/")
        monkeypatch.setenv("HF_ENDPOINT", bucket.url)
        yield bucket


@pytest.fixture
def file(bucket, content):
    """The published file, at its best."""
    bucket.files[PATH] = File(content, md5_of=content)
    return bucket.files[PATH]


def get(check=None, **options):
    return fetch(URL, NAME, check, pause=0.01, **options)


def check_end(path):
    if not path.read_bytes().endswith(END):
        raise ValueError(f"{path} is cut short:\n  it does not reach its end")


def final():
    return cache_dir() / NAME


def part():
    return cache_dir() / f"{NAME}.part"


def left_over():
    return {p.name for p in cache_dir().iterdir()} - {f"{NAME}.lock", f"{HUB_NAME}.lock"}


def refusal(kind, call, name=NAME):
    """The one line of the error; nothing stands under the final name."""
    with pytest.raises(kind) as error:
        call()
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert not is_cached(name)
    assert read_record(name) is None
    return message


def start(*limit):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, URL, NAME, *map(str, limit)],
        stdout=subprocess.PIPE,
        text=True,
    )


def break_off(file):
    """Leaves a part on disk: cut once, then the server is down."""
    file.faults, file.always = [("cut", CUT)], DOWN
    refusal(ConnectionError, get)
    file.always = ()
    assert part().stat().st_size == CUT


@pytest.mark.parametrize("split", [False, True])
def test_a_file_is_fetched_once_and_noted(bucket, file, content, capfd, split):
    file.split_hash = split
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    assert get(check_end) == get(check_end) == final()
    assert final().read_bytes() == content
    assert len(bucket.requests) == 1
    record = json.loads((cache_dir() / f"{NAME}.json").read_text())
    assert record == read_record(NAME)
    assert before <= datetime.datetime.fromisoformat(record.pop("fetched"))
    assert record == {
        "url": URL,
        "bytes": SIZE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "verified_by": "md5",
    }
    assert left_over() == {NAME, f"{NAME}.json"}
    assert capfd.readouterr() == ("", "")


def test_the_cache_is_that_of_keras(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache_dir()) == "/home/somebody/.keras/models/keras_mixer"


def test_a_terminal_shows_progress(file, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    get()
    assert NAME in terminal.getvalue()


@pytest.mark.parametrize(
    ("etag", "modified"), [("", None), (None, "Tue, 04 May 2021 07:28:00 GMT")]
)
def test_a_cut_connection_is_resumed(bucket, content, etag, modified):
    file = File(content, etag, modified, md5_of=content, faults=[("cut", CUT)])
    bucket.files[PATH] = file
    assert get().read_bytes() == content
    first, second = bucket.gets(PATH)
    assert (first.range, first.if_range) == (None, None)
    assert (second.range, second.if_range) == (f"bytes={CUT}-", file.etag or modified)
    assert first.sent + second.sent == SIZE
    assert left_over() == {NAME, f"{NAME}.json"}


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_it_starts_anew(bucket, file, content, etag):
    file.etag, file.faults = etag, [("cut", CUT)]
    assert get().read_bytes() == content
    assert [r.range for r in bucket.gets(PATH)] == [None, None]


def test_many_cuts_are_mended_as_long_as_bytes_come(bucket, file, content):
    file.faults = [("cut", SIZE // 10)] * 7
    assert get().read_bytes() == content
    assert sum(r.sent for r in bucket.gets(PATH)) == SIZE


def test_being_cut_at_the_same_place_for_ever_is_given_up(bucket, file):
    file.etag, file.always = None, ("cut", CUT)
    assert "5 tries brought nothing, or too little, from" in refusal(ConnectionError, get)
    assert len(bucket.requests) == 6


def test_a_killed_process_is_resumed_by_the_next(bucket, file, content):
    file.faults = [("stall", CUT)]
    with start() as process:
        while not (part().exists() and part().stat().st_size > CUT // 2):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not is_cached(NAME)
    kept = part().stat().st_size
    assert get().read_bytes() == content
    assert bucket.gets(PATH)[1].range == f"bytes={kept}-"


@pytest.mark.parametrize("if_range", [True, False])
def test_an_object_replaced_meanwhile_is_fetched_whole(bucket, file, content, if_range):
    file.md5_of = None
    break_off(file)
    new = content[::-1]
    bucket.files[PATH] = File(new, if_range=if_range)
    assert get().read_bytes() == new
    ranges = [r.range for r in bucket.gets(PATH)]
    assert ranges[-2:] == ([REST, REST] if if_range else [REST, None])


def test_a_shorter_object_and_a_wrong_range_start_anew(bucket, file, content):
    break_off(file)
    bucket.files[PATH] = File(content[:CUT], if_range=False)
    assert get().read_bytes() == content[:CUT]
    final().unlink()
    (cache_dir() / f"{NAME}.json").unlink()

    bucket.files[PATH] = file
    break_off(file)
    file.shift = 1
    assert get().read_bytes() == content


def test_a_part_from_another_mirror_is_not_gone_on_with(bucket, file, content, monkeypatch):
    break_off(file)
    monkeypatch.setenv("KERAS_MIXER_MIRROR", f"{bucket.url}/mirror")
    bucket.files["/mirror" + PATH] = file
    assert get().read_bytes() == content
    assert [r.range for r in bucket.gets("/mirror" + PATH)] == [None]


def test_a_server_without_ranges(bucket, file, content):
    file.ranges, file.faults = False, [("cut", CUT)]
    assert get().read_bytes() == content
    assert [r.sent for r in bucket.gets(PATH)] == [CUT, SIZE]


def test_a_part_damaged_on_disk_is_fetched_anew(bucket, file, content):
    break_off(file)
    part().write_bytes(b"x" * CUT)
    assert get().read_bytes() == content
    assert [r.range for r in bucket.gets(PATH)][-2:] == [REST, None]


def test_a_wrong_md5(bucket, file, content):
    file.md5_of = content[1:]
    message = refusal(ValueError, get)
    assert hashlib.md5(content).hexdigest() in message
    assert hashlib.md5(content[1:]).hexdigest() in message
    assert URL in message
    assert left_over() == set()
    assert len(bucket.requests) == 1

    file.faults = [("cut", CUT)]
    refusal(ValueError, get)
    assert [r.range for r in bucket.gets(PATH)[1:]] == [None, REST, None]


def test_a_truncated_file(bucket, content):
    bucket.files[PATH] = File(content[:CUT], md5_of=content)
    assert "its md5 is" in refusal(ValueError, get)
    bucket.files[PATH] = File(content[:CUT])
    assert "is cut short: it does not reach its end" in refusal(ValueError, lambda: get(check_end))
    assert left_over() == set()


def test_a_page_instead_of_the_file(bucket):
    bucket.files[PATH] = File(b"<html>Please log in</html>", etag=None)
    assert "is cut short" in refusal(ValueError, lambda: get(check_end))


def test_no_hash_is_noted(bucket, content):
    bucket.files[PATH] = File(content)
    get(check_end)
    assert read_record(NAME)["verified_by"] == "length"


def test_no_length_is_refused(bucket, file):
    file.length = False
    assert "not how long the file is" in refusal(ConnectionError, get)


def test_not_found_is_said_at_once(bucket):
    message = refusal(ConnectionError, get)
    assert "404 Not Found" in message
    assert f"Cannot fetch {URL}" in message
    assert f"place the file at {final()}" in message
    assert len(bucket.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(bucket, file, content, status):
    file.faults = [("status", status)] * 2
    assert get().read_bytes() == content
    assert len(bucket.requests) == 3


def test_a_server_that_stays_busy(bucket, file):
    file.always = DOWN
    message = refusal(ConnectionError, get)
    assert "503 Service Unavailable" in message
    assert f"place the file at {final()}" in message
    assert len(bucket.requests) == 5


def test_it_waits_twice_as_long_each_time(bucket, file, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    file.always = DOWN
    refusal(ConnectionError, lambda: fetch(URL, NAME, pause=3))
    assert waits == [3, 6, 12, 24]


def test_a_redirect(bucket, file, content):
    bucket.files["/elsewhere"] = file
    bucket.files[PATH] = File(b"", always=("redirect", "/elsewhere"))
    file.faults = [("cut", CUT)]
    assert get().read_bytes() == content
    assert [r.range for r in bucket.gets("/elsewhere")] == [None, REST]


def test_a_slow_server_is_waited_for(bucket, file, content):
    file.delay = 0.05  # In all longer than the timeout, but never without a byte for as long.
    assert get(timeout=0.4).read_bytes() == content
    assert len(bucket.requests) == 1


def test_a_stalled_connection_is_resumed(bucket, file, content):
    file.faults = [("stall", CUT)]
    begun = time.monotonic()
    assert get(timeout=0.3).read_bytes() == content
    assert time.monotonic() - begun < 4  # The server itself would give up after 5 seconds.
    assert [r.range for r in bucket.gets(PATH)] == [None, REST]


def test_two_processes_fetch_once(bucket, file, content):
    file.delay = 0.05
    with start() as other:
        while not bucket.requests:
            assert other.poll() is None
            time.sleep(0.01)
        assert not is_cached(NAME)
        assert get().read_bytes() == content
        assert other.communicate(timeout=300)[0] == f"{final()}\n"
    assert [r.sent for r in bucket.requests] == [SIZE]


def test_a_full_disk_is_one_line_and_resumed_later(bucket, file, content):
    limit = SIZE // 2
    with start(limit) as process:
        message = process.communicate(timeout=300)[0]
    assert len(message.splitlines()) == 1
    assert f"Cannot write {part()} (the whole file takes {SIZE} bytes): File too large" in message
    assert not is_cached(NAME)
    assert part().stat().st_size == limit
    assert get().read_bytes() == content
    assert bucket.gets(PATH)[1].range == f"bytes={limit}-"


def test_a_cache_that_cannot_be_made(bucket, file, tmp_path, monkeypatch):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "a_file"))
    with pytest.raises(OSError, match=r"Cannot write .* set KERAS_HOME") as error:
        get()
    assert len(str(error.value).splitlines()) == 1
    assert bucket.requests == []


@pytest.mark.parametrize("variable", ["KERAS_MIXER_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(bucket, file, content, monkeypatch, variable):
    monkeypatch.setenv(variable, "True")
    message = refusal(ConnectionError, get)
    assert f"Cannot fetch {URL}: {variable} is set" in message
    assert f"place the file at {final()}" in message
    message = refusal(ConnectionError, lambda: fetch(HUB_URL, HUB_NAME), HUB_NAME)
    assert "https://huggingface.co/timm/mixer/resolve/main/model.safetensors" in message
    assert bucket.requests == []
    monkeypatch.setenv(variable, "0")
    get()
    monkeypatch.setenv(variable, "on")
    assert get().read_bytes() == content


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9/", "nonsense", "http://["])
def test_a_server_that_cannot_be_reached(bucket, monkeypatch, mirror):
    monkeypatch.setenv("KERAS_MIXER_MIRROR", mirror)
    message = refusal(ConnectionError, get)
    assert f"Cannot fetch {URL}" in message
    assert mirror.rstrip("/") + PATH in message
    assert f"place the file at {final()}" in message


def test_a_file_changed_after_the_download(file, content):
    get()
    final().write_bytes(content[:-1] + b"x")
    with pytest.raises(ValueError, match="does not match its record") as error:
        get()
    assert len(str(error.value).splitlines()) == 1
    assert "keras-mixer weights download NAME --force" in str(error.value)
    now, noted = (hashlib.sha256(text).hexdigest() for text in (content[:-1] + b"x", content))
    assert f"it has {SIZE} bytes and sha256 {now}" in str(error.value)
    assert f"the record says {SIZE} and {noted}" in str(error.value)
    assert get(force=True).read_bytes() == content
    assert get() == final()


def test_a_damaged_record_is_no_record_of_the_file(file):
    get()
    (cache_dir() / f"{NAME}.json").write_text("{")
    with pytest.raises(ValueError, match="does not match its record"):
        get()


def test_a_file_placed_by_hand(bucket, content):
    cache_dir().mkdir(parents=True)
    final().write_bytes(content)
    assert get(check_end) == get() == final()
    assert read_record(NAME) is None
    final().write_bytes(content[:CUT])
    with pytest.raises(ValueError, match=r"placed by hand; delete it: .* is cut short") as error:
        get(check_end)
    assert len(str(error.value).splitlines()) == 1
    assert bucket.requests == []


def test_force_replaces_only_by_what_is_right(bucket, file, content):
    get()
    new = content[::-1]
    bucket.files[PATH] = File(new, md5_of=content)
    with pytest.raises(ValueError, match="its md5 is"):
        get(force=True)
    assert get().read_bytes() == content
    bucket.files[PATH] = File(new, md5_of=new)
    assert get(force=True).read_bytes() == new
    assert read_record(NAME)["sha256"] == hashlib.sha256(new).hexdigest()


def from_hub(check=None, **options):
    return fetch(HUB_URL, HUB_NAME, check, **options)


def test_the_hub(bucket, content):
    path = bucket.add_to_hub("timm/mixer", "model.safetensors", content)
    assert from_hub(check_end).read_bytes() == content
    record = read_record(HUB_NAME)
    assert record["url"] == HUB_URL
    assert record["verified_by"] == "sha256"
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert left_over() == {HUB_NAME, f"{HUB_NAME}.json"}
    from_hub()
    assert [r.sent for r in bucket.gets(path)] == [SIZE]
    assert from_hub(force=True).read_bytes() == content
    assert len(bucket.gets(path)) == 2


def test_a_cut_download_from_the_hub_is_mended(bucket, content):
    path = bucket.add_to_hub("timm/mixer", "model.safetensors", content)
    bucket.files[path].faults = [("cut", CUT)]
    assert from_hub().read_bytes() == content
    assert len(bucket.gets(path)) == 2


def test_a_small_file_of_the_hub_has_no_hash(bucket, content):
    bucket.add_to_hub("timm/mixer", "model.safetensors", content, sha256="0" * 40)
    from_hub(check_end)
    assert read_record(HUB_NAME)["verified_by"] == "length"


def test_the_hub_gives_another_file(bucket, content):
    bucket.add_to_hub("timm/mixer", "model.safetensors", content, sha256="0" * 64)
    assert "its sha256 is" in refusal(ValueError, from_hub, HUB_NAME)
    assert left_over() == set()
    bucket.add_to_hub("timm/mixer", "model.safetensors", content[:-1])
    message = refusal(ValueError, lambda: from_hub(check_end), HUB_NAME)
    assert "is cut short: it does not reach its end" in message


def test_the_hub_does_not_have_it(bucket):
    message = refusal(ConnectionError, from_hub, HUB_NAME)
    assert "404" in message
    assert "https://huggingface.co/timm/mixer/resolve/main/model.safetensors" in message
    assert f"place the file at {cache_dir() / HUB_NAME}" in message


def test_the_hub_cannot_be_reached(bucket, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = refusal(ConnectionError, from_hub, HUB_NAME)
    assert "Connection refused" in message
