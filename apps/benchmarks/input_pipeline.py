"""Images a second from JPEG files to batches of 224 pixels, beside plain tf.data and a PIL loader.

    python apps/benchmarks/input_pipeline.py [--images 256] [--rounds 5]

Needs TensorFlow for the comparison with tf.data. The pictures are 500x375, made of smooth noise,
about 100 kB each. All variants run in turn in each round; printed are medians, and of the ratios
the median of those within a round. `recipe` is Inception crop, flip, RandAugment (2 layers,
magnitude 15) and mixup.
"""

import argparse
import io
import os
import pathlib
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(pathlib.Path(folder), arguments.images)
        variants = {
            "evaluation: keras_mixer": ours_evaluation(paths),
            "evaluation: tf.data": tf_evaluation(paths),
            "evaluation: PIL loader": pil_evaluation(paths),
            "training: keras_mixer": ours_training(paths),
            "training: tf.data": tf_training(paths),
            "recipe: keras_mixer": ours_training(paths, randaugment=(2, 15.0), mixup=0.5),
        }
        speeds: dict[str, list[float]] = {name: [] for name in variants}
        for round_ in range(arguments.rounds + 1):
            for name, run in variants.items():
                start = time.perf_counter()
                run()
                if round_:  # The first one warms up.
                    speeds[name].append(len(paths) / (time.perf_counter() - start))
    cores = len(os.sched_getaffinity(0))
    print(f"{len(paths)} pictures, {cores} cores, medians of {arguments.rounds} rounds")
    print(f"{'':26}{'images/s':>10}{'a core':>10}{'ours / it':>12}")
    for name, values in speeds.items():
        mine = speeds[f"{name.partition(':')[0]}: keras_mixer"]
        ratio = statistics.median(a / b for a, b in zip(mine, values, strict=True))
        median = statistics.median(values)
        print(f"{name:26}{median:10.0f}{median / cores:10.0f}{ratio:12.2f}")


def write_pictures(folder: pathlib.Path, number: int) -> list[str]:
    paths = []
    for i in range(number):
        rng = np.random.default_rng(i)
        coarse = rng.integers(0, 256, (47, 63, 3), dtype="uint8")
        smooth = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        noisy = np.asarray(smooth).astype(int) + rng.normal(0, 12, (375, 500, 1)).astype(int)
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype("uint8")).save(buffer, "JPEG", quality=90)
        path = folder / f"{i}.jpg"
        path.write_bytes(buffer.getvalue())
        paths.append(str(path))
    return paths


def consume(batches) -> None:
    for i in range(len(batches)):
        batches[i]


def split_of(paths):
    import keras_mixer

    return keras_mixer.data.Split(paths, np.zeros(len(paths), int), paths)


def ours_evaluation(paths):
    import keras_mixer

    split = split_of(paths)
    return lambda: consume(
        keras_mixer.data.EvaluationBatches(split, 2, (224, 224), BATCH, crop="resmall_crop")
    )


def ours_training(paths, **options):
    import keras_mixer

    split = split_of(paths)
    return lambda: consume(
        keras_mixer.data.TrainingBatches(
            split,
            2,
            (224, 224),
            BATCH,
            steps=len(paths) // BATCH,
            crop="inception_crop",
            **options,
        )
    )


def pil_evaluation(paths):
    """What people write: a pool of threads, each decoding, resizing, cropping."""

    def load(path):
        with Image.open(path) as file:
            image = file.convert("RGB")
        width, height = image.size
        scale = 256 / min(width, height)
        image = image.resize((round(width * scale), round(height * scale)), Image.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return np.asarray(image.crop((left, top, left + 224, top + 224)), "float32") / 127.5 - 1

    def run():
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for i in range(0, len(paths), BATCH):
                np.stack(list(pool.map(load, paths[i : i + BATCH])))

    return run


def tf_pipeline(paths, process):
    import tensorflow as tf

    def load(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), 3)
        return tf.ensure_shape(process(image), (224, 224, 3)) / 127.5 - 1

    def run():
        dataset = tf.data.Dataset.from_tensor_slices(paths)
        dataset = dataset.map(load, tf.data.AUTOTUNE).batch(BATCH).prefetch(2)
        for _ in dataset:
            pass

    return run


def tf_evaluation(paths):
    import tensorflow as tf

    def process(image):
        shape = tf.cast(tf.shape(image)[:2], tf.float32)
        size = tf.cast(tf.round(shape * 256 / tf.reduce_min(shape)), tf.int32)
        image = tf.image.resize(image, size, antialias=True)
        return tf.image.resize_with_crop_or_pad(image, 224, 224)

    return tf_pipeline(paths, process)


def tf_training(paths):
    import tensorflow as tf

    def process(image):
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(image),
            tf.zeros([0, 0, 4]),
            area_range=(0.05, 1.0),
            use_image_if_no_bounding_boxes=True,
        )
        image = tf.image.resize(tf.slice(image, begin, size), (224, 224), antialias=True)
        return tf.image.random_flip_left_right(image)

    return tf_pipeline(paths, process)


if __name__ == "__main__":
    main()
