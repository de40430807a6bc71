"""Servers that mean harm, and logins that must not be told: real connections, one line each."""

import base64
import gzip
import json
import logging
import subprocess
import traceback

import pytest
from bucket import Bucket, File

from keras_mixer.weights import ask, cache_dir, is_cached, read_record
from keras_mixer.weights.fetch import fetch
from keras_mixer.weights.registry import STORAGE

pytestmark = pytest.mark.once

PATH = "/mixer_models/imagenet21k/Mixer-B_16.npz"
NAME = "imagenet21k-Mixer-B_16.npz"
HUB = "timm/mixer", "model.safetensors"
CONTENT = bytes(range(256)) * 2000
LOGIN = ("someone", "SECRET/p@ss")
BASIC = base64.b64encode(":".join(LOGIN).encode()).decode()


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("KERAS_MIXER_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with Bucket() as bucket:
        monkeypatch.setenv("KERAS_MIXER_MIRROR", bucket.url)
        monkeypatch.setenv("HF_ENDPOINT", bucket.url)
        yield bucket


@pytest.fixture
def file(bucket):
    bucket.files[PATH] = File(CONTENT, md5_of=CONTENT)
    return bucket.files[PATH]


def whole(path):
    if path.read_bytes() != CONTENT:
        raise ValueError(f"{path} is another file")


def get(url=STORAGE + PATH, **options):
    return fetch(url, NAME, whole, **{"pause": 0.001, **options})


def from_hub():
    return get(f"hf://{'/'.join(HUB)}")


def part():
    return cache_dir() / f"{NAME}.part"


def told_of(error):
    """All that a traceback shows, and the line."""
    line = str(error)
    assert line.isprintable()
    assert len(line) < 1000
    return "".join(traceback.format_exception(error))


def with_login(url, login="someone:SECRET%2Fp%40ss"):
    return url.replace("://", f"://{login}@")


def stored():
    """Names and contents of all files in the cache."""
    return b"\n".join(
        str(p).encode() + p.read_bytes() for p in cache_dir().rglob("*") if p.is_file()
    )


def not_told(text):
    text = text if isinstance(text, str) else text.decode("latin-1")
    for secret in ("SECRET", "someone", BASIC, "p@ss", "p%40ss"):
        assert secret not in text, text


@pytest.fixture(autouse=True)
def nothing_is_logged_of_a_login(caplog, capfd):
    """In any test here."""
    caplog.set_level(logging.INFO)
    yield
    out, err = capfd.readouterr()
    not_told(caplog.text + out + err)


@pytest.mark.parametrize("source", ["mirror", "hub"])
def test_a_login_in_an_address_is_used_and_stored_nowhere(bucket, file, monkeypatch, source):
    bucket.login = f"Basic {BASIC}"
    path = PATH
    if source == "hub":
        path = bucket.add_to_hub(*HUB, CONTENT)
    bucket.files[path].faults = [("cut", 1000), ("status", 503)]
    ask_for = get if source == "mirror" else from_hub
    with pytest.raises(ConnectionError, match="401") as caught:
        ask_for()
    not_told(told_of(caught.value))
    for name in ("KERAS_MIXER_MIRROR", "HF_ENDPOINT"):
        monkeypatch.setenv(name, with_login(bucket.url))
    assert ask_for().read_bytes() == CONTENT
    assert [r.range for r in bucket.gets(path)][-3:] == [None, "bytes=1000-", "bytes=1000-"]
    not_told(stored())


FAULTS = {
    "not found": [("status", 404)],
    "busy": [("status", 503)] * 5,
    "cut": [("cut", 1000)] + [("status", 503)] * 5,
    "no length": [("raw", b"HTTP/1.1 200 OK\r\n\r\nabc")],
    "no HTTP": [("raw", b"SSH-2.0\r\n\r\n")] * 5,
    "another file": [("raw", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")],
    "redirect": [("redirect", "/nowhere?X-Amz-Signature=SECRET")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_tells_a_login(bucket, file, monkeypatch, fault):
    file.faults = list(FAULTS[fault])
    monkeypatch.setenv("KERAS_MIXER_MIRROR", with_login(bucket.url))
    with pytest.raises((ConnectionError, ValueError)) as caught:
        get()
    not_told(told_of(caught.value))
    not_told(stored())


@pytest.mark.parametrize(
    "mirror",
    [
        "http://someone:SECRET@127.0.0.1:9",
        "http://someone:SECRET@[",
        "http://someone:SECRET@",
        "http://someone:SECRET/p@ss@127.0.0.1:9/x",
        "http://someone:SECRET p@127.0.0.1:9",
        "someone:SECRET@127.0.0.1:9",
        "ftp://someone:SECRET@127.0.0.1/",
    ],
)
@pytest.mark.parametrize("variable", ["KERAS_MIXER_MIRROR", "HF_ENDPOINT", "HTTP_PROXY"])
def test_no_address_that_is_wrong_tells_a_login(bucket, file, monkeypatch, mirror, variable):
    monkeypatch.setenv(variable, mirror)
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(ConnectionError) as caught:
        (from_hub if variable == "HF_ENDPOINT" else get)()
    not_told(told_of(caught.value))


def test_an_address_with_a_login_is_not_recorded(bucket, file):
    url = with_login(bucket.url) + PATH
    assert get(url).read_bytes() == CONTENT
    assert read_record(NAME)["url"] == f"{bucket.url.replace('://', '://***@')}{PATH}"
    not_told(stored())


@pytest.mark.parametrize("source", ["mirror", "hub"])
def test_a_login_stays_with_its_server(bucket, file, monkeypatch, source):
    """The mirror's, and the token of the hub: another server gets neither."""
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    monkeypatch.setenv("KERAS_MIXER_MIRROR", with_login(bucket.url))
    path, ask_for, login = PATH, get, f"Basic {BASIC}"
    if source == "hub":
        path, ask_for, login = bucket.add_to_hub(*HUB, CONTENT), from_hub, "Bearer hf_SECRET"
    bucket.files["/here"] = File(CONTENT)
    bucket.files[path].faults = [("redirect", "/here")]
    ask_for()
    assert [r.login for r in (*bucket.gets(path), *bucket.gets("/here"))] == [login, login]
    (cache_dir() / NAME).unlink()
    with Bucket() as other:
        other.files["/there"] = File(CONTENT)
        bucket.files[path].faults = [("redirect", f"{other.url}/there")]
        ask_for()
        assert (bucket.gets(path)[-1].login, other.requests[-1].login) == (login, None)


ENDLESS = b"x" * 50_000_000  # More than any buffer on the way.


@pytest.mark.parametrize(
    "place",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1:9/x", "http://[/"),
        *("/again", "http://some.invalid/\x1b[31m", "//", "http://a b/"),
    ],
)
def test_redirects_lead_to_no_file_and_end(bucket, file, place):
    file.always = ("redirect", place)
    bucket.files["/again"] = File(b"", always=("redirect", "/again"))
    with pytest.raises(ConnectionError) as caught:
        get()
    told_of(caught.value)
    assert not is_cached(NAME)
    assert not part().exists()


def test_the_body_of_a_redirect_is_not_read(bucket, file):
    head = f"HTTP/1.1 302 Found\r\nLocation: /here\r\nContent-Length: {len(ENDLESS)}\r\n\r\n"
    file.faults = [("raw", head.encode() + ENDLESS)]
    bucket.files["/here"] = File(CONTENT)
    assert get().read_bytes() == CONTENT
    assert bucket.gets(PATH)[0].sent < len(ENDLESS) // 2


def test_https_does_not_lead_to_http(bucket, file, tmp_path, monkeypatch):
    secret = Bucket(certificate(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("KERAS_MIXER_MIRROR", secret.url)
    with secret:
        secret.files[PATH] = File(CONTENT, faults=[("redirect", "/here")])
        secret.files["/here"] = File(CONTENT)
        assert get().read_bytes() == CONTENT
        secret.files[PATH].always = ("redirect", f"{bucket.url}{PATH}?token=SECRET")
        with pytest.raises(ConnectionError, match="leads from https to http://127") as caught:
            get(force=True)
    not_told(told_of(caught.value))
    assert bucket.requests == []


def certificate(folder):
    """A key and a certificate for 127.0.0.1, which nobody else trusts."""
    file = folder / "certificate.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(file)]
    subprocess.run(
        ["openssl", "req", *options, "-out", str(folder / "public.pem"), *names],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + (folder / "public.pem").read_bytes())
    return file


def test_a_slow_server_is_given_up_and_gone_on_with_later(bucket, file, monkeypatch):
    monkeypatch.setattr(ask, "WINDOW", 0.3)
    file.chunk, file.delay = 1, 0.03
    with pytest.raises(
        ConnectionError, match=r"5 tries .*: it sent \d+ bytes in .* less than 1024"
    ):
        get()
    kept = part().stat().st_size
    assert 5 < kept < 1000
    file.chunk, file.delay = 1 << 16, 0.0
    assert get().read_bytes() == CONTENT
    assert bucket.gets(PATH)[-1].range == f"bytes={kept}-"
    assert len(bucket.requests) == 6


def test_a_byte_each_time_is_no_progress(bucket, file):
    file.always = ("cut", 1)
    with pytest.raises(ConnectionError, match=r"5 tries brought nothing, or too little, from"):
        get(pause=0.05)
    assert len(bucket.requests) == 5


HEAD = b"HTTP/1.1 200 OK\r\nServer: " + b"x" * 1000
SLOW_HEADS = {
    "of the file": ("drip", HEAD),
    "with steps on the way": ("drip", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}


@pytest.mark.parametrize("head", SLOW_HEADS)
def test_a_slow_head_is_given_up(bucket, file, monkeypatch, head):
    monkeypatch.setattr(ask, "HEAD_SECONDS", 0.3)
    file.always = SLOW_HEADS[head]
    with pytest.raises(ConnectionError, match=r"5 tries .*: it did not answer within 0.3 s"):
        get()
    assert len(bucket.requests) == 5
    assert not part().exists()


def test_a_slow_head_of_the_hub_is_given_up(bucket, monkeypatch):
    monkeypatch.setattr(ask, "HEAD_SECONDS", 0.3)
    path = bucket.add_to_hub(*HUB, CONTENT)
    bucket.files[path].head_delay = 1.0
    with pytest.raises(ConnectionError, match="did not answer within"):
        from_hub()


def test_what_is_told_to_be_too_long_is_not_begun(bucket, file):
    with pytest.raises(ConnectionError, match="has 512000 bytes, and at most 511999 are expected"):
        get(max_bytes=len(CONTENT) - 1)
    assert not part().exists()
    assert get(max_bytes=len(CONTENT)).read_bytes() == CONTENT


def test_more_than_was_told_is_not_kept(bucket, file):
    """The rest of a file, without a length of its own."""
    answer = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-511999/512000\r\n\r\n"
    file.faults = [("cut", 1000), ("raw", answer + CONTENT[1000:] + ENDLESS)]
    assert get().read_bytes() == CONTENT
    _, second, third = bucket.gets(PATH)
    assert (second.range, third.range) == ("bytes=1000-", None)
    assert second.sent < len(ENDLESS) // 2


def test_the_hub_sends_more_than_it_told(bucket):
    path = bucket.add_to_hub(*HUB, CONTENT)
    bucket.files[path].headers["X-Linked-Size"] = "1000"
    with pytest.raises(ConnectionError, match="512000 bytes, and at most 1000 are expected"):
        from_hub()
    assert not part().exists()


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(CONTENT)
ANSWERS = {
    "reason": b"HTTP/1.1 404 \x1b[31mred\x9b2J\r\nContent-Length: 0\r\n\r\n",
    "reason and status": b"HTTP/1.1 99999999 \x1b]0;x\x07\r\n\r\n",
    "huge length": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": OK + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "many headers": OK + b"".join(b"X-%d: y\r\n" % i for i in range(50_000)) + b"\r\n",
    "a long header": OK + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "gzip": OK
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(gzip.compress(CONTENT)), gzip.compress(CONTENT)),
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_odd_answers_are_one_line(bucket, file, answer):
    file.always = ("raw", ANSWERS[answer])
    with pytest.raises((ConnectionError, ValueError)) as caught:
        get()
    assert NAME in str(caught.value)
    told_of(caught.value)
    assert not is_cached(NAME)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "x-goog-hash: md5=!",
            "x-goog-hash: md5=A",
            "x-goog-hash: crc32c=\x9b",
            'ETag: "\xe9\x9b"',
        ),
        *(
            'ETag: W/"x"',
            "Last-Modified: \x1b[31m",
            "Last-Modified: \xff",
            'ETag: "' + "x" * 9000 + '"',
        ),
    ],
)
def test_odd_headers_do_no_harm(bucket, file, header):
    """The file is fetched, cut once on the way, begun anew where nothing tells it from another."""
    head = OK + LENGTH + header.encode("latin-1") + b"\r\n\r\n"
    file.faults = [("raw", head + CONTENT[:1000]), ("raw", head + CONTENT)]
    assert get().read_bytes() == CONTENT
    json.loads((cache_dir() / f"{NAME}.json").read_text())


@pytest.mark.parametrize(
    "notes",
    [
        *("[]", "{}", '{"address": 1}', "\x00", '{"validator": "\\n", "md5": ""}'),
        *('{"validator": "\\"x\\"", "md5": 3}', '{"validator": ["x"], "md5": ""}'),
        *('{"validator": "\\u00e9", "md5": ""}', '{"validator": "\\"x\\""}'),
    ],
)
def test_damaged_notes_of_an_earlier_try_do_no_harm(bucket, file, notes):
    part().parent.mkdir(parents=True)
    part().write_bytes(CONTENT[:1000])
    notes = notes.replace('{"validator"', f'{{"address": "{bucket.url}{PATH}", "validator"')
    part().with_name(f"{part().name}.json").write_text(notes)
    assert get().read_bytes() == CONTENT
    assert [r.range for r in bucket.gets(PATH)] == [None]
