"""The page's server: what it sends and answers, whom it refuses. tests/browser has a browser."""

import base64
import importlib.resources
import io
import json
import os
import re
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from PIL import Image
from served import LABELS, build, encoded, header, running

import keras_mixer
from keras_mixer import data, export, serving
from keras_mixer.serving.explain import explain, window_of
from keras_mixer.serving.guard import Rate
from keras_mixer.visualize import occlusion, token_mixing_units, unit_activity

pytestmark = pytest.mark.once

LIMITS = {"max_bytes": 200_000, "max_pixels": 1_000_000, "max_batch": 4, "places": 16}
NOISE = np.random.default_rng(2).integers(0, 256, (100, 120, 3), dtype="uint8")


def plain():
    """A model that is no Mixer."""
    image = keras.Input((8, 12, 3))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(image))
    return keras.Model(image, keras.layers.Dense(3)(x), name="plain")


def site_of(*classifiers, **options):
    return serving.Site([serving.Service(one, **LIMITS) for one in classifiers], **options)


@pytest.fixture(scope="module")
def page():
    """A client of a page with a Mixer and another model."""
    mixer = serving.Classifier(build(), LABELS, crop="resize_crop", name="mixer")
    site = site_of(mixer, serving.Classifier(plain(), name="mixer"))
    with running(serving.create_page(site, rate=100_000), site.ready) as client:
        site.ready.result(60)
        yield client


def ask(client, what, picture, model=0, **headers):
    headers = {"Content-Type": "application/octet-stream", **headers}
    return client.post(f"/models/{model}/{what}", content=picture, headers=headers)


def test_the_page_and_its_files(page):
    for path, kind in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        *((f"/examples/{digit}.png", "image/png") for digit in (3, 7, 8)),
    ):
        answer = page.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == kind
    html = page.get("/").text
    used = re.findall(r'(?:src|href|data-example)="([^"]+)"', html)
    assert used
    for path in used:  # Nothing of elsewhere.
        assert page.get(f"/{path}").status_code == 200, path
    assert "<script>" not in html
    assert not re.search(r"\s(style|on\w+)=", html)  # Which the policy would forbid.
    for path in ("/page.css", "/page.js"):
        assert "//" not in page.get(path).text.replace("// ", ""), path


def test_every_answer_says_what_a_browser_may_do(page):
    for answer in (page.get("/"), page.get("/nothing"), ask(page, "classify", b"text")):
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert policy[:2] == ["default-src 'self'", "img-src 'self' blob: data:"]
        assert "unsafe" not in str(policy)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


def test_models_are_told_apart_and_numbered(page):
    first, second = page.get("/models").json()
    assert first == {
        **{"name": "mixer", "classes": 5, "image_size": [8, 12]},
        **{"max_bytes": 200_000, "ready": True},
    }
    assert (second["name"], second["classes"]) == ("mixer (2)", 3)
    for number in ("2", "-1"):
        answer = ask(page, "classify", encoded(NOISE), number)
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"There are models 0 to 1. Received: {number}"
    assert ask(page, "explain", encoded(NOISE), "x").status_code == 422


def test_the_classes_are_those_of_the_classifier(page, model):
    classifier = serving.Classifier(model, LABELS, crop="resize_crop")
    (expected,) = classifier.classify([NOISE], top=5)
    (found,) = ask(page, "classify", encoded(NOISE)).json()["predictions"]
    assert [one["label"] for one in found] == [one.label for one in expected]
    probabilities = [one["probability"] for one in found]
    np.testing.assert_allclose(probabilities, [one.probability for one in expected], atol=1e-6)


def test_an_explanation_is_what_visualize_says(page, model):
    found = ask(page, "explain", encoded(NOISE)).json()
    expected = occlusion(model, NOISE, crop="resize_crop")
    np.testing.assert_allclose(found["drops"], expected.drops, atol=1e-5)
    assert (found["index"], found["label"]) == (expected.label, LABELS[expected.label])
    assert found["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert (found["window"], found["stride"], found["note"]) == ([4, 4], [4, 4], None)
    kind, _, content = found["image"].partition(",")
    assert kind == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    np.testing.assert_array_equal(np.asarray(image), expected.image)

    assert [one["block"] for one in found["blocks"]] == [0, 1]
    x = (expected.image / 127.5 - 1).astype("float32")[None]
    for block in found["blocks"]:
        activity = unit_activity(model, x, block["block"])[0]
        weights = token_mixing_units(model, block["block"], sort=False)
        assert len(block["units"]) == 6  # All there are.
        assert [one["unit"] for one in block["units"]] == np.argsort(-activity).tolist()
        for one in block["units"]:
            assert one["activity"] == pytest.approx(activity[one["unit"]], abs=1e-6)
            np.testing.assert_allclose(one["weights"], weights[one["unit"]], atol=1e-7)


def test_a_model_that_is_no_mixer_has_no_units(page):
    found = ask(page, "explain", encoded(NOISE), 1).json()
    assert found["blocks"] == []
    assert found["note"] == "No token-mixing units: plain has no `MixerLayer`. Pass a Mixer."
    assert found["window"] == [1, 2]
    assert np.shape(found["drops"]) == (8, 6)


@pytest.mark.parametrize("patch", [4, 8])
def test_more_than_sixteen_patches_are_covered_several_at_a_time(patch):
    spec = keras_mixer.MixerSpec("wide", patch, 1, 4, 4, 4, (64, 136))
    model = keras_mixer.Mixer(spec, weights=None, classes=2)
    expected = {4: (4, 12), 8: (8, 16)}[patch]
    assert window_of(serving.Classifier(model)) == expected


@pytest.mark.skipif(
    keras.backend.backend() not in export.FORMATS["onnx"].writers, reason="writes no ONNX itself"
)
@pytest.mark.parametrize("preprocessing", [True, False], ids=["pixels", "floats"])
def test_an_exported_file_says_the_same(model, preprocessing, tmp_path):
    names = [str(i) for i in range(4)]
    split = data.Split([NOISE] * 4, np.zeros(4, int), names)
    path = tmp_path / "m.onnx"
    how = {"preprocessing": preprocessing, "crop": "resize_crop", "label_names": LABELS}
    export.export(model, path, split, say=pytest.fail, **how)
    exported = serving.ExportedClassifier(path, name="m.onnx")
    assert exported.label_names == LABELS
    (expected,) = serving.Classifier(model, LABELS, crop="resize_crop").classify([NOISE], top=5)
    site = site_of(exported)
    with running(serving.create_page(site), site.ready) as client:
        (found,) = ask(client, "classify", encoded(NOISE)).json()["predictions"]
        why = ask(client, "explain", encoded(NOISE)).json()
    assert [one["label"] for one in found] == [one.label for one in expected]
    probabilities = [one["probability"] for one in found]
    np.testing.assert_allclose(probabilities, [one.probability for one in expected], atol=1e-5)
    drops = occlusion(model, NOISE, window=(1, 2), crop="resize_crop").drops
    np.testing.assert_allclose(why["drops"], drops, atol=1e-5)
    assert why["blocks"] == []
    assert why["note"].startswith("An exported file does not tell what its units do.")

    os.remove(f"{path}.json")
    with pytest.raises(FileNotFoundError, match=r"has no m.onnx.json beside it"):
        serving.ExportedClassifier(path)
    with pytest.raises(FileNotFoundError, match=r"There is no .*none.onnx"):
        serving.ExportedClassifier(tmp_path / "none.onnx")


LIES = {
    "a name too many": (["labels"], [*LABELS, "more"], "has 6 names and the model has 5 classes"),
    "a name twice": (["labels"], [*LABELS[:4], LABELS[0]], "the same name"),
    "no text": (["labels"], [*LABELS[:4], 4], "a text that is not empty"),
    "other classes": (["output", "shape"], ["batch", 7], "has 5 names and the model has 7 classes"),
    "no classes": (["output", "shape"], ["batch", 0], "output.shape must be a list"),
    "another size": (["input", "shape"], ["batch", 20, 28, 3], "does not take what m.onnx.json"),
    "no size": (["input", "shape"], None, "input.shape must be a list such as"),
    "a crop": (["input", "crop"], "middle", "input.crop must be one of resize, resize_crop"),
    "a filter": (["input", "interpolation"], "x", "input.interpolation must be one of bilinear"),
    "a scale": (["input", "scale"], "a", "input.scale must be a number"),
    "an offset": (["input", "offset"], float("nan"), "input.offset must be a number"),
    "a type": (["input", "dtype"], "int32", "input.dtype must be one of uint8, float32"),
    "values": (["output", "values"], "x", "output.values must be one of logits, probabilities"),
    "a format": (["format"], "x", "format must be one of onnx"),
    "another format": (["format"], "torch", "format must be that of m.onnx"),
    "no parts": (["input"], None, "input.layout must be one of NHWC, NCHW"),
}


@pytest.mark.skipif(
    keras.backend.backend() not in export.FORMATS["onnx"].writers, reason="writes no ONNX itself"
)
def test_a_description_that_lies_is_refused_by_name(model, tmp_path):
    split = data.Split([NOISE] * 4, np.zeros(4, int), [str(i) for i in range(4)])
    path = tmp_path / "m.onnx"
    export.export(model, path, split, crop="resize_crop", label_names=LABELS, say=pytest.fail)
    beside = tmp_path / "m.onnx.json"
    text = beside.read_text()
    for lie, (keys, value, message) in LIES.items():
        about = json.loads(text)
        place = about
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        beside.write_text(json.dumps(about))
        with pytest.raises(ValueError, match=rf"m\.onnx.*{message}") as failed:
            serving.ExportedClassifier(path)
        assert "\n" not in str(failed.value), lie
    # Names are right by the description, and the file is another one.
    about = json.loads(text)
    about["output"]["shape"], about["labels"] = ["batch", 6], None
    beside.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"gives scores of shape \(1, 5\) .* tells of 6 classes"):
        serving.ExportedClassifier(path)
    beside.write_text(text)
    assert serving.ExportedClassifier(path).label_names == LABELS
    with pytest.raises(ValueError, match="has 2 names and the model has 5 classes"):
        export.export(model, tmp_path / "n.onnx", split, label_names=["a", "b"])
    assert not list(tmp_path.glob("n.*"))


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(NOISE, exif=exif)


def cut(content):
    return content[: len(content) // 2]


FRAMES = [Image.new("RGB", (30, 20), color) for color in ("red", "lime")]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
HOSTILE = {
    "text named .png": (b"hello, I am a picture", 415, "not a picture of these formats: JPEG"),
    "svg": (SVG, 415, "not a picture of these formats"),
    "nothing": (b"", 422, "it has 0 bytes. Send the whole file."),
    "truncated jpeg": (cut(encoded(NOISE, format="JPEG")), 422, "truncated"),
    "12000x12000": (encoded(Image.new("1", (12_000, 12_000))), 422, "Image size (144000000 pix"),
    "1x20000": (encoded(Image.new("L", (1, 20_000))), 422, "at most 100 times the other"),
    "too many pixels": (header(1000, 1001), 422, "1000 x 1001 pixels and at most 1000000 are"),
    "too many bytes": (bytes(200_001), 413, "longer than the 200000 bytes allowed. Shrink"),
}
ODD = {
    "animated gif": encoded(FRAMES[0], format="GIF", save_all=True, append_images=FRAMES[1:]),
    "cmyk jpeg": encoded(Image.fromarray(NOISE).convert("CMYK"), format="JPEG"),
    "16-bit png": encoded(np.arange(600, dtype="uint16").reshape(20, 30) * 100),
    "turned by EXIF": rotated(),
}


@pytest.mark.parametrize("what", ["classify", "explain"])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_gets_a_line(page, name, what):
    content, status, line = HOSTILE[name]
    answer = ask(page, what, content)
    assert answer.status_code == status, answer.text
    assert line in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_seen_as_they_look(page, model, name):
    classifier = serving.Classifier(model, LABELS, crop="resize_crop")
    pixels = serving.read_upload(ODD[name])
    (expected,) = classifier.classify([pixels], top=1)
    why = ask(page, "explain", ODD[name]).json()
    assert (why["index"], why["label"]) == (expected[0].index, expected[0].label)
    if name == "turned by EXIF":
        np.testing.assert_array_equal(pixels, np.rot90(NOISE, -1))


def test_no_request_reads_a_file_or_fetches_an_address(page, tmp_path):
    (tmp_path / "real.png").write_bytes(encoded(NOISE))
    path = tmp_path / "real.png"
    static = importlib.resources.files("keras_mixer.serving").joinpath("static")
    for name in (
        *("/../page.py", "/%2e%2e/page.py", "/..%2fpage.py", "/static/page.js", "/page.py"),
        *("/examples/../../page.py", "//etc/passwd", "/etc/passwd", f"/{path}", f"/{static}"),
        *("/examples/%00", "/examples/", "/file=/etc/passwd", "/docs", "/redoc"),
    ):
        assert page.get(name).status_code == 404, name
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/real.png"
        for place in (url, str(path), path.as_uri(), f"data:image/png,{url}"):
            for what in ("classify", "explain"):
                assert ask(page, what, place.encode()).status_code == 415
                for form in ({"images": [place]}, {"url": place}, {"path": place}, {"data": place}):
                    content, kind = json.dumps(form).encode(), {"Content-Type": "application/json"}
                    answer = ask(page, what, content, **kind)
                    assert answer.status_code in (415, 422), answer.text
                    assert str(tmp_path) not in answer.text
                query = {"url": place, "path": place, "file": place}
                answer = page.post(f"/models/0/{what}", params=query)
                assert answer.status_code == 415
        with pytest.raises(TimeoutError):
            trap.accept()


def test_nothing_is_written(own_model, monkeypatch, tmp_path):
    """Nor of bodies above a megabyte, where forms go to a file."""
    service = serving.Service(serving.Classifier(own_model, LABELS), max_bytes=4_000_000)
    site = serving.Site([service])
    opened = []
    real = os.open

    def watched(path, flags, *rest, **named):
        opened.append((path, flags))
        return real(path, flags, *rest, **named)

    large = encoded(Image.new("RGB", (1200, 1000)), format="BMP")
    assert len(large) > 3_000_000
    with running(serving.create_page(site), site.ready) as client:
        site.ready.result(60)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr(os, "open", watched)
        for content, status in ((encoded(NOISE), 200), (large, 200), (bytes(4_000_001), 413)):
            for what in ("classify", "explain"):
                assert ask(client, what, content).status_code == status
        form = {"file": ("x.bmp", large, "image/bmp")}
        assert client.post("/models/0/classify", files=form).status_code == 415
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert not [path for path, flags in opened if flags & (os.O_WRONLY | os.O_RDWR)]


def test_an_address_may_send_so_many_a_minute(own_model):
    site = site_of(serving.Classifier(own_model, LABELS))
    with running(serving.create_page(site, rate=3), site.ready) as client:
        for _ in range(3):
            assert ask(client, "classify", encoded(NOISE)).status_code == 200
        answer = ask(client, "explain", encoded(NOISE))
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 20
        assert answer.json()["detail"].startswith("More than 3 requests in a minute. Try again in")
        assert client.get("/").status_code == 200


def test_the_rate_fills_up_with_time_and_forgets_old_addresses(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("keras_mixer.serving.guard.time.monotonic", lambda: now[0])
    rate = Rate(6)
    assert [rate.wait("a") for _ in range(6)] == [0] * 6
    assert rate.wait("a") == pytest.approx(10)
    assert rate.wait("b") == 0
    now[0] += 9
    assert rate.wait("a") == pytest.approx(1)
    now[0] += 1
    assert rate.wait("a") == 0
    assert rate.wait("a") == pytest.approx(10)
    monkeypatch.setattr("keras_mixer.serving.guard.ADDRESSES", 2)
    rate.wait("c")
    assert len(rate._left) <= 3
    rate.wait("d")
    now[0] += 600
    assert [rate.wait("d") for _ in range(7)][-2:] == [0, pytest.approx(10)]  # No more than six.


class Held(serving.Classifier):
    """Runs its model, after the warm-up, when it may."""

    may = threading.Event()
    warm = False

    def probabilities(self, images):
        assert not self.warm or self.may.wait(30)
        return super().probabilities(images)


def test_one_explanation_at_a_time_and_few_that_wait(own_model):
    held = Held(own_model, LABELS)
    site = site_of(held, places=2)
    with running(serving.create_page(site), site.ready) as client, ThreadPoolExecutor(2) as pool:
        site.ready.result(60)
        held.warm = True
        waiting = [pool.submit(ask, client, "explain", encoded(NOISE)) for _ in range(2)]
        while site.taken < 2:
            pass
        refused = ask(client, "explain", encoded(NOISE))
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["detail"] == (
            "2 explanations are on their way, as many as may be. Try again in a second."
        )
        held.may.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert ask(client, "explain", encoded(NOISE)).status_code == 200


def test_what_waits_is_small(own_model, monkeypatch):
    """Who goes away gives up the place, and leaves behind what waits for the one thread."""
    waited = []

    def watched(service, seen):
        waited.append(seen)
        return explain(service, seen)

    monkeypatch.setattr("keras_mixer.serving.site.explain", watched)
    site = site_of(serving.Classifier(own_model, LABELS))
    with running(serving.create_page(site), site.ready) as client:
        assert ask(client, "explain", encoded(np.tile(NOISE, (4, 4, 1)))).status_code == 200
    assert [one.nbytes for one in waited] == [8 * 12 * 3]


class Broken(serving.Classifier):
    """Gives what is not a number, after the warm-up."""

    warm = False

    def probabilities(self, images):
        if self.warm:
            raise RuntimeError("/home/somebody/secret: no")
        return super().probabilities(images)


def test_a_model_that_fails_tells_strangers_nothing(own_model, caplog):
    broken = Broken(own_model, LABELS)
    site = site_of(broken)
    with running(serving.create_page(site), site.ready) as client:
        site.ready.result(60)
        broken.warm = True
        for what in ("classify", "explain"):
            answer = ask(client, what, encoded(NOISE))
            assert answer.status_code == 500
            assert answer.json()["detail"].startswith("The server failed on this request.")
    assert "/home/somebody/secret" in caplog.text  # Its log does.
