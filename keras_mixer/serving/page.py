"""The page for people: its files, its models, its two questions."""

import importlib.resources
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel

from keras_mixer.serving.app import BODY, PROBLEMS, Answer, closing_app
from keras_mixer.serving.explain import Explanation
from keras_mixer.serving.guard import Guard
from keras_mixer.serving.site import Site

# What is sent, read once at the start: no request names a file.
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/examples/3.png": ("digit_3.png", "image/png"),
    "/examples/7.png": ("digit_7.png", "image/png"),
    "/examples/8.png": ("digit_8.png", "image/png"),
}


class Model(BaseModel):
    """A model to choose, and the pictures that it takes."""

    name: str
    classes: int
    image_size: tuple[int, int]
    max_bytes: int
    ready: bool


def create_page(site: Site, *, host: str = "127.0.0.1", rate: int = 60) -> FastAPI:
    """An ASGI application: a page, `GET /models`, and of each `POST .../classify` and `/explain`.

    It closes the site when it ends.

    Args:
        site: what answers.
        host: the address that is listened on; on loopback no other is answered to.
        rate: POST requests of one address in a minute; the page makes two for a picture.
    """
    app = closing_app(site.close)
    app.add_middleware(Guard, host=host, rate=rate)
    for path, (name, kind) in FILES.items():
        _add_file(app, path, name, kind)

    @app.get("/models")
    async def models() -> list[Model]:
        """What there is to choose, in the order of their numbers."""
        return [
            Model(
                name=name,
                classes=len(service.classifier.label_names),
                image_size=service.classifier.image_size,
                max_bytes=service.max_bytes,
                ready=service.ready.done(),
            )
            for name, service in zip(site.names, site.services, strict=True)
        ]

    def known(number: int) -> int:
        if not 0 <= number < len(site.services):
            raise HTTPException(
                404, f"There are models 0 to {len(site.services) - 1}. Received: {number}"
            )
        return number

    body = {"requestBody": BODY}

    @app.post("/models/{number}/classify", responses=PROBLEMS, openapi_extra=body)
    async def classify(
        request: Request, number: int, top: Annotated[int, Query(ge=1)] = 5
    ) -> Answer:
        """The classes of a picture, as `keras-mixer serve` gives them."""
        service = site.services[known(number)]
        return Answer(predictions=await service.classify(request, top))

    @app.post("/models/{number}/explain", responses=PROBLEMS, openapi_extra=body)
    async def explain(request: Request, number: int) -> Explanation:
        """What the first class of a picture rests on."""
        return await site.explain(request, known(number))

    return app


def _add_file(app: FastAPI, path: str, name: str, kind: str) -> None:
    content = importlib.resources.files("keras_mixer.serving").joinpath("static", name).read_bytes()

    @app.get(path, include_in_schema=False)
    async def file() -> Response:
        return Response(content, media_type=kind)
