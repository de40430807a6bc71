"""Answers over HTTP what a model sees on pictures. Needs the extra `serve`."""

try:
    import fastapi as _fastapi  # noqa: F401
    import prometheus_client as _prometheus_client  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"The server needs {error.name}, which is not installed. Run: "
        'pip install "keras-mixer[serve]"',
        name=error.name,
    ) from error

from keras_mixer.serving.app import create_app
from keras_mixer.serving.batching import Batcher, QueueFullError
from keras_mixer.serving.classifier import Classifier, ModelError, Ranked
from keras_mixer.serving.explain import Explanation, explain
from keras_mixer.serving.exported import ExportedClassifier
from keras_mixer.serving.page import create_page
from keras_mixer.serving.server import Server, address, listen, serve
from keras_mixer.serving.service import Service
from keras_mixer.serving.site import Site
from keras_mixer.serving.upload import FORMATS, MAX_BYTES, MAX_PIXELS, read_upload

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "Batcher",
    "Classifier",
    "Explanation",
    "ExportedClassifier",
    "ModelError",
    "QueueFullError",
    "Ranked",
    "Server",
    "Service",
    "Site",
    "address",
    "create_app",
    "create_page",
    "explain",
    "listen",
    "read_upload",
    "serve",
]
