"""The HTTP interface: what it accepts, what it answers, and with which status."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Annotated, Any

import keras
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from keras_mixer.data import UnknownFormatError, UnreadableImageError
from keras_mixer.serving.batching import QueueFullError
from keras_mixer.serving.body import JSON, RAW, Pictures, describe
from keras_mixer.serving.classifier import ModelError, Ranked
from keras_mixer.serving.guard import Guard
from keras_mixer.serving.metrics import GONE, Measured
from keras_mixer.serving.service import Service
from keras_mixer.serving.upload import FORMATS

PATH = "/v1/classify"
LOG = logging.getLogger("keras_mixer.serving")


class Answer(BaseModel):
    """The classes of each picture with the highest probabilities, highest first."""

    predictions: list[list[Ranked]]


class Problem(BaseModel):
    """Why there is no answer and what to do, in a line."""

    detail: str


class Health(BaseModel):
    """Whether the server is ready, and what it serves."""

    status: str
    model: str
    backend: str
    classes: int
    image_size: tuple[int, int]
    crop: str


BODY = {
    "required": True,
    "content": {
        RAW: {"schema": {"type": "string", "format": "binary"}},
        JSON: {"schema": Pictures.model_json_schema()},
    },
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "Two lengths of the body.",
        403: "Sent by a page of another address.",
        408: "The body did not arrive in time.",
        413: "The body is too long.",
        415: f"Neither a picture ({', '.join(FORMATS)}) nor JSON.",
        421: "On loopback, for another Host than 127.0.0.1 or localhost.",
        422: "A picture that is damaged or has too many pixels, or JSON of another form.",
        429: "Too many requests of one address. Try again after the seconds in Retry-After.",
        500: "The server failed; its log says why.",
        503: "Too many pictures wait. Try again after the seconds in Retry-After.",
    }.items()
}


def closing_app(close: Callable[[], None]) -> FastAPI:
    """An application without routes, whose problems are lines; it calls `close` when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        yield
        await asyncio.to_thread(close)

    # No pages of documentation: theirs load scripts from elsewhere.
    app = FastAPI(
        title="keras_mixer", version="1", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    _add_problems(app)
    return app


def create_app(service: Service, *, host: str = "127.0.0.1") -> FastAPI:
    """An ASGI application: `POST /v1/classify`, `GET /health`, `/metrics` and `/openapi.json`.

    It closes the service when it ends.

    Args:
        service: what answers.
        host: the address that is listened on. On loopback, as by default, a request with another
            `Host` gets status 421. Wherever it is, what a page of another address posts gets 403.
    """
    app = closing_app(service.close)
    app.add_middleware(Guard, host=host)
    app.add_middleware(Measured, metrics=service.metrics, path=PATH)

    @app.post(PATH, responses=PROBLEMS, openapi_extra={"requestBody": BODY})
    async def classify(request: Request, top: Annotated[int, Query(ge=1)] = 3) -> Answer:
        """Classify the file of one picture, or several pictures in base64."""
        return Answer(predictions=await service.classify(request, top))

    @app.get("/health", responses={503: {"model": Health, "description": "Not ready yet."}})
    async def health(response: Response) -> Health:
        """Whether the server is ready: 503 as long as the model is warming up."""
        ready = service.ready.done() and service.ready.exception() is None
        response.status_code = 200 if ready else 503
        return Health(
            status="ready" if ready else "warming up",
            model=service.classifier.name,
            backend=keras.backend.backend(),
            classes=len(service.classifier.label_names),
            image_size=service.classifier.image_size,
            crop=service.classifier.crop,
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        """Figures in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return app


def _add_problems(app: FastAPI) -> None:
    """Each error as its status and a line."""

    def problem(error: type[Exception], status: int, say=str, **headers: str) -> None:
        async def handle(_request: Request, raised: Exception) -> Response:
            return JSONResponse({"detail": say(raised)}, status, headers)

        app.add_exception_handler(error, handle)

    def full(error: Exception) -> str:
        return f"{error} Try again in a second."

    def failed(error: Exception) -> str:
        LOG.error("a request failed", exc_info=error)
        return "The server failed on this request. Its log says why."

    problem(UnknownFormatError, 415)
    problem(UnreadableImageError, 422)
    problem(RequestValidationError, 422, lambda error: describe(error.errors()))
    problem(QueueFullError, 503, full, **{"Retry-After": "1"})
    problem(ClientDisconnect, GONE)
    problem(ModelError, 500, failed)
