"""Each limit of a server exactly reached, passed by one and missed by one, with real requests."""

import base64
import itertools
import json
import types

import numpy as np
import pytest
from PIL import Image
from served import LABELS, encoded, running, served

from keras_mixer import Patches, serving
from keras_mixer.data import UnreadableImageError
from keras_mixer.serving import read_upload
from keras_mixer.serving.explain import WINDOWS, WITHOUT_PATCHES, window_of
from keras_mixer.serving.guard import Rate

BYTES, PIXELS, BATCH = 20_000, 600, 4


@pytest.fixture(scope="module")
def small(own_model):
    """A client of a server with small limits."""
    classifier = serving.Classifier(own_model, LABELS)
    with served(classifier, max_bytes=BYTES, max_pixels=PIXELS, max_batch=BATCH, places=8) as one:
        yield one


def image_of(length, width=30, height=20):
    """A PNG of so many bytes; what follows its end is no part of the image."""
    whole = encoded(np.zeros((height, width, 3), "uint8"))
    return whole + bytes(length - len(whole))


def in_parts(data):
    """Without a length in front: it is sent in pieces."""
    return (data[i : i + 7000] for i in range(0, len(data), 7000))


@pytest.mark.parametrize("send", [bytes, in_parts], ids=["whole", "in parts"])
@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_bytes_of_a_body(send, more, status, small):
    answer = small.classify(send(image_of(BYTES + more)))
    assert answer.status_code == status, answer.text
    if status == 413:
        assert f"longer than the {BYTES} bytes allowed" in answer.json()["detail"]


@pytest.mark.parametrize("send", [bytes, in_parts], ids=["whole", "in parts"])
@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_bytes_of_a_body_of_json(send, more, status, small):
    body = json.dumps({"images": [base64.b64encode(image_of(900)).decode()]}).encode()
    body += b" " * (BYTES + more - len(body))
    assert small.classify(send(body), "application/json").status_code == status


@pytest.mark.parametrize(
    ("width", "height", "status"),
    [(30, 20, 200), (20, 30, 200), (599, 1, 422), (25, 24, 200), (601, 7, 422), (28, 21, 200)],
)
def test_pixels_of_an_image(width, height, status, small):
    """The product of both sides, and a strip is refused for itself."""
    assert small.classify(encoded(np.zeros((height, width, 3), "uint8"))).status_code == status


@pytest.mark.parametrize(("pixels", "status"), [(599, 422), (600, 200), (601, 200)])
def test_pixels_that_are_allowed(pixels, status, own_model):
    classifier = serving.Classifier(own_model, LABELS)
    with served(classifier, max_pixels=pixels) as client:
        assert client.classify(image_of(900)).status_code == status


@pytest.mark.parametrize(("count", "status"), [(BATCH - 1, 200), (BATCH, 200), (BATCH + 1, 422)])
def test_images_of_a_request(count, status, small):
    one = base64.b64encode(image_of(900)).decode()
    answer = small.classify(json.dumps({"images": [one] * count}), "application/json")
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["predictions"]) == count


@pytest.mark.parametrize(("top", "rows"), [(1, 1), (4, 4), (5, 5), (6, 5)])
def test_classes_of_an_answer(top, rows, small):
    (found,) = small.classify(image_of(900), top=top).json()["predictions"]
    assert len(found) == rows


def test_bytes_of_an_upload():
    """The same limits where no server is around."""
    data = image_of(900)
    for allowed in (900, 901):
        assert read_upload(data, max_bytes=allowed).shape == (20, 30, 3)
    with pytest.raises(UnreadableImageError, match="900 bytes and at most 899 are allowed"):
        read_upload(data, max_bytes=899)


@pytest.mark.parametrize("rate", [1, 2, 4])
def test_requests_of_an_address(rate, own_model):
    """Exactly so many at once, each refused one told to wait for no longer than one takes."""
    site = serving.Site([serving.Service(serving.Classifier(own_model, LABELS))])
    with running(serving.create_page(site, rate=rate), site.ready) as client:
        site.ready.result(60)
        headers = {"Content-Type": "image/png"}
        answers = [
            client.post("/models/0/classify", content=image_of(900), headers=headers)
            for _ in range(rate + 1)
        ]
        assert [answer.status_code for answer in answers] == [200] * rate + [429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60 // rate


def test_a_batch_and_its_places():
    compute = {"compute": lambda images: images, "shape": (1,)}
    serving.Batcher(**compute, max_batch=2, places=2).close()
    for most, places in ((0, 2), (3, 2)):
        with pytest.raises(ValueError, match="A batch needs one image and a place for each"):
            serving.Batcher(**compute, max_batch=most, places=places)
    batcher = serving.Batcher(**compute, max_batch=1, places=3)
    try:
        with batcher.taking(2), batcher.taking(1):
            assert batcher.taken == 3
            with pytest.raises(serving.QueueFullError), batcher.taking(1):
                pass
            with batcher.taking(0):
                pass
        with batcher.taking(3), pytest.raises(serving.QueueFullError), batcher.taking(1):
            pass
        assert batcher.taken == 0
    finally:
        batcher.close()


def test_an_image_of_any_mode_is_counted_in_pixels(small):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        assert small.classify(encoded(Image.new(mode, (30, 20)))).status_code == 200
        assert small.classify(encoded(Image.new(mode, (30, 21)))).status_code == 422


@pytest.mark.parametrize("patch", [(2, 3), (3, 2), None])
def test_windows_of_an_explanation_are_the_smallest_that_are_not_too_many(patch):
    """Along each side, of whole patches where these are known."""
    layers = [Patches(patch)] if patch else []
    most, units = (WINDOWS, patch) if patch else (WITHOUT_PATCHES, (1, 1))
    for sides in itertools.product((1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65), repeat=2):
        size = tuple(side * unit for side, unit in zip(sides, units, strict=True))
        model = types.SimpleNamespace(layers=layers)
        window = window_of(types.SimpleNamespace(model=model, image_size=size))
        for whole, part, unit in zip(size, window, units, strict=True):
            assert part % unit == 0
            assert -(-whole // part) <= most
            assert part == unit or -(-whole // (part - unit)) > most


def test_addresses_that_are_remembered(monkeypatch):
    monkeypatch.setattr("keras_mixer.serving.guard.ADDRESSES", 2)
    rate = Rate(1)
    assert [rate.wait(address) for address in "ab"] == [0, 0]
    assert rate.wait("a") > 0
    assert rate.wait("c") == 0  # Now b, the oldest one, is forgotten.
    assert rate.wait("a") > 0
    assert rate.wait("b") == 0
