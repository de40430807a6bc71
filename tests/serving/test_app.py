"""Real requests to a real server on loopback."""

import base64
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from PIL import Image
from served import LABELS, encoded, header, probabilities, served

from keras_mixer import serving
from keras_mixer.serving import body

pytestmark = pytest.mark.once


def in_base64(*pictures):
    return json.dumps({"images": [base64.b64encode(one).decode() for one in pictures]})


def test_answers_are_those_of_the_model_alone(client, alone, picture):
    pictures = [picture() for _ in range(5)]
    expected = alone(pictures)
    for one, row in zip(pictures, expected, strict=True):
        for kind in ("image/png", "application/octet-stream", "IMAGE/JPEG; q=1"):
            np.testing.assert_allclose(probabilities(client.classify(one, kind))[0], row, atol=1e-6)
    several = client.classify(in_base64(*pictures), "application/json")
    np.testing.assert_allclose(probabilities(several), expected, atol=1e-6)
    best = client.classify(pictures[0], top=2).json()["predictions"]
    assert [one["index"] for one in best[0]] == np.argsort(-expected[0])[:2].tolist()
    assert len(client.classify(pictures[0], top=100).json()["predictions"][0]) == len(LABELS)


def test_many_at_once_are_all_right_and_share_batches(classifier, alone, picture):
    pictures = [picture() for _ in range(32)]
    expected = alone(pictures)
    gate = threading.Barrier(32)
    with served(classifier, max_wait=0.1) as client, ThreadPoolExecutor(32) as pool:

        def ask(one):
            gate.wait()
            return probabilities(client.classify(one))[0]

        np.testing.assert_allclose(list(pool.map(ask, pictures)), expected, atol=1e-6)
        assert client.figure("keras_mixer_batch_images_sum") == 32
        assert client.figure("keras_mixer_batch_images_count") < 32


def cut(data):
    return data[: len(data) // 2]


def svg():
    return b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


NOISE = np.random.default_rng(2).integers(0, 256, (100, 120, 3), dtype="uint8")
HOSTILE = {
    "text named .png": (b"hello, I am a picture", 415, "not a picture of these formats: JPEG, PNG"),
    "svg": (svg(), 415, "not a picture of these formats"),
    "tiff": (encoded(NOISE, format="TIFF"), 415, "not a picture of these formats"),
    "nothing": (b"", 422, "it has 0 bytes. Send the whole file."),
    "truncated jpeg": (cut(encoded(NOISE, format="JPEG")), 422, "truncated"),
    "truncated png": (cut(encoded(NOISE)), 422, "Send a whole picture of at most 1000000 pixels."),
    "bomb": (header(60_000, 60_000), 422, "Cannot read image: Image size (3600000000 pixels)"),
    "12000x12000": (encoded(Image.new("1", (12_000, 12_000))), 422, "Image size (144000000 pix"),
    "too many pixels": (header(1000, 1001), 422, "1000 x 1001 pixels and at most 1000000 are"),
    "strip": (
        encoded(Image.new("L", (1, 5000))),
        422,
        "side may be at most 100 times the other. Send a whole",
    ),
    "too many bytes": (bytes(200_001), 413, "longer than the 200000 bytes allowed. Shrink"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_get_a_line_and_the_server_goes_on(client, picture, name):
    data, status, line = HOSTILE[name]
    for attempt in (client.classify(data), client.classify(in_base64(data), "application/json")):
        assert attempt.status_code == status, attempt.text
        detail = attempt.json()["detail"]
        assert line.replace("image: ", "") in detail.replace("images[0]: ", "").replace(
            "image: ", ""
        )
        assert "\n" not in detail
    assert client.classify(picture()).status_code == 200


def rotated(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels, exif=exif)


def test_odd_pictures_are_what_they_show(client, alone):
    frames = [Image.new("RGB", (30, 20), color) for color in ((255, 0, 0), (0, 255, 0))]
    red = np.broadcast_to(np.array([255, 0, 0], "uint8"), (20, 30, 3))
    deep = np.linspace(0, 65535, 600).astype("uint16").reshape(20, 30)
    cmyk = Image.fromarray(NOISE).convert("CMYK")
    jpeg = encoded(cmyk, format="JPEG", quality=100)
    for data, pixels, tolerance in (
        (encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:]), red, 1e-6),
        (rotated(NOISE), np.rot90(NOISE, -1), 1e-6),
        (encoded(deep), (deep.astype("uint32") * 255 // 65535).astype("uint8"), 1e-6),
        (jpeg, np.asarray(cmyk.convert("RGB")), 0.05),  # JPEG loses something.
    ):
        given = probabilities(client.classify(data))[0]
        np.testing.assert_allclose(given, alone([np.ascontiguousarray(pixels)])[0], atol=tolerance)


def test_one_bad_picture_of_a_request_is_named_and_others_of_its_batch_live(classifier, picture):
    with served(classifier, max_wait=0.2) as client, ThreadPoolExecutor(8) as pool:
        bodies = [picture(), b"text", picture(), b"", picture()]
        answers = list(pool.map(client.classify, bodies))
        assert [answer.status_code for answer in answers] == [200, 415, 200, 422, 200]
    mixed = in_base64(picture(), b"text")
    with served(classifier) as client:
        answer = client.classify(mixed, "application/json")
        assert answer.status_code == 415
        assert answer.json()["detail"].startswith("Cannot read images[1]: not a picture")


@pytest.mark.parametrize(
    ("kind", "data", "status", "line"),
    [
        ("application/json", "{", 422, "The body is not JSON: Expecting"),
        ("application/json", "[" * 100_000, 422, "The body is not JSON: maximum recursion"),
        ("application/json", '{"images": []}', 422, "The body is other JSON. Send the file"),
        ("application/json", '{"images": ["?"]}', 422, "images[0] is not base64. Send the file"),
        ("application/json", '{"images": [1]}', 422, "images[0] is not base64. Send the file"),
        (
            "application/json",
            f'{{"images": [{"1," * 90_000}1]}}',
            422,
            "90001 pictures and at most",
        ),
        ("application/json", json.dumps(dict.fromkeys(map(str, range(9999)))), 422, "other JSON"),
        ("application/json", in_base64(*[b"x"] * 9), 422, "9 pictures and at most 8 are allowed"),
        ("multipart/form-data; boundary=x", "--x--", 415, "Content-Type multipart/form-data. Send"),
        ("", "abc", 415, "Content-Type none. Send the file of one picture"),
    ],
)
def test_other_bodies_get_a_line(client, kind, data, status, line):
    answer = client.classify(data, kind)
    assert answer.status_code == status, answer.text
    assert line in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 300


def test_top_is_a_number(client, picture):
    for top in ("0", "x"):
        answer = client.classify(picture(), top=top)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("query.top: Input should be")


def test_addresses_and_paths_are_neither_fetched_nor_read(client, picture, tmp_path):
    path = tmp_path / "real.png"
    path.write_bytes(picture())
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/real.png"
        for place in (url, str(path), path.as_uri(), f"data:image/png,{url}"):
            assert client.classify(place).status_code == 415
            assert client.classify(place, "text/uri-list").status_code == 415
            for form in ({"images": [place]}, {"images": place}, {"url": place}, {"path": place}):
                answer = client.classify(json.dumps(form), "application/json")
                assert answer.status_code in (415, 422), answer.text  # A path may be base64.
            answer = client.post("/v1/classify", params={"url": place, "path": place})
            assert answer.status_code == 415
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_long_body_is_refused_while_it_comes(client):
    address = client.base_url.host, client.base_url.port
    head = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    for more in (
        b"Content-Length: 200001\r\n\r\n",  # Nothing of it was sent.
        b"Transfer-Encoding: chunked\r\n\r\n30d41\r\n" + bytes(200_001),  # And no end of it.
    ):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(head + more)
            assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_body_that_does_not_come_is_given_up(client, monkeypatch):
    monkeypatch.setattr(body, "SECONDS", 0.2)
    address = client.base_url.host, client.base_url.port
    head = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 408"


def test_beyond_the_queue_requests_are_told_to_come_again(classifier, picture):
    """Three wait for a batch of four; a fourth place is too few for two more, enough for one."""
    options = {"max_batch": 4, "places": 4, "max_wait": 60.0}
    with served(classifier, **options) as client, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(client.classify, picture()) for _ in range(3)]
        client.until("keras_mixer_queue_images", 3)
        refused = client.classify(in_base64(picture(), picture()), "application/json")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["detail"] == "All 4 places are taken. Try again in a second."
        assert client.classify(picture()).status_code == 200
        assert [one.result().status_code for one in waiting] == [200] * 3
        assert client.classify(in_base64(*[picture()] * 4), "application/json").status_code == 200
        client.until("keras_mixer_queue_images", 0)


def test_who_goes_away_is_dropped(classifier, picture):
    with served(classifier, max_batch=4, max_wait=4.0) as client:
        data = picture()
        address = client.base_url.host, client.base_url.port
        with socket.create_connection(address) as connection:
            head = "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            client.until("keras_mixer_queue_images", 1)
        client.until("keras_mixer_queue_images", 0)
        assert client.figure("keras_mixer_batch_images_count") == 0  # It is not done: it is gone.
        assert client.classify(data).status_code == 200
        assert client.figure("keras_mixer_batch_images_sum") == 1
        assert client.figure('keras_mixer_requests_total{status="499"}') == 1


def test_metrics_count(classifier, picture):
    with served(classifier) as client:
        for data in (picture(), picture(), b"text", in_base64(picture(), picture())):
            kind = "application/json" if isinstance(data, str) else "image/png"
            client.classify(data, kind)
        client.until('keras_mixer_requests_total{status="200"}', 3)
        assert client.figure('keras_mixer_requests_total{status="415"}') == 1
        client.until("keras_mixer_request_seconds_count", 4)
        assert client.figure("keras_mixer_batch_images_sum") == 4
        assert client.figure("keras_mixer_queue_images") == 0
        assert client.get("/metrics").headers["Content-Type"].startswith("text/plain")


def test_the_interface_describes_itself_and_loads_no_scripts(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/v1/classify", "/health", "/metrics"}
    post = described["paths"]["/v1/classify"]["post"]
    assert set(post["requestBody"]["content"]) == {"image/*", "application/json"}
    assert {*map(str, (200, *serving.app.PROBLEMS))} == set(post["responses"])
    for path in ("/docs", "/redoc", "/", "/v1/classify/../../etc/passwd"):
        assert client.get(path).status_code == 404


class Held(serving.Classifier):
    """Runs its model when it may."""

    may = threading.Event()

    def probabilities(self, images):
        assert self.may.wait(30)
        return super().probabilities(images)


def test_health_is_ready_after_the_warm_up(own_model, picture):
    held = Held(own_model, LABELS, name="held")
    with served(held) as client, ThreadPoolExecutor() as pool:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "warming up")
        early = pool.submit(client.classify, picture())
        client.until("keras_mixer_queue_images", 1)
        held.may.set()
        assert early.result().status_code == 200
        answer = client.get("/health")
        assert answer.status_code == 200
        assert answer.json() == {
            **{"status": "ready", "model": "held", "backend": keras.backend.backend()},
            **{"classes": 5, "image_size": [8, 12], "crop": "resmall_crop"},
        }


class Broken(serving.Classifier):
    """Gives what is not a number for white pictures."""

    def probabilities(self, images):
        found = super().probabilities(images)
        found[images.min(axis=(1, 2, 3)) == 1] = np.nan
        return found


def test_a_model_that_fails_is_status_500_for_that_picture_alone(own_model, picture, caplog):
    white = encoded(Image.new("RGB", (20, 30), "white"))
    with served(Broken(own_model, LABELS)) as client:
        assert client.classify(white).status_code == 500
        assert client.classify(white).json()["detail"].startswith("The server failed on this")
        assert client.classify(picture()).status_code == 200
        client.until('keras_mixer_requests_total{status="500"}', 2)
    assert "scores that are not numbers" in caplog.text
