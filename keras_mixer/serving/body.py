"""From the body of a request to the bytes of its pictures."""

import asyncio
import base64
import json
from typing import Annotated

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from keras_mixer.serving.guard import Shares, client_of

SECONDS = 30.0  # That the body of a request may take to arrive; it has a place meanwhile.
RAW, JSON = "image/*", "application/json"
EXPECTED = (
    f"Send the file of one picture with Content-Type {RAW}, or several in base64 as {JSON}: "
    '{"images": ["..."]}.'
)


class Pictures(BaseModel):
    """Several pictures, for the description of the interface.

    pydantic does not read them: it would collect an error for each of a million bad items.
    """

    model_config = ConfigDict(extra="forbid")

    images: list[
        Annotated[bytes, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
    ] = Field(min_length=1, description="Files of pictures, each in base64 without line breaks.")


async def read_body(request: Request, max_bytes: int, shares: Shares) -> bytearray:
    """The whole body, which is given up as soon as it is too long.

    Args:
        request: whose it is.
        max_bytes: the length that it may have.
        shares: of the bodies on their way.

    Raises:
        HTTPException: 413, it is longer; 408, it does not arrive; 429, its client has sent its
            share.
        starlette.requests.ClientDisconnect: its sender went away.
    """
    too_long = HTTPException(
        413,
        f"The body is longer than the {max_bytes} bytes allowed. Shrink the pictures, or send "
        "fewer at once.",
    )
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_long
    body = bytearray()
    try:
        with shares.one(client_of(request.scope)):
            async with asyncio.timeout(SECONDS):
                async for part in request.stream():
                    body += part
                    if len(body) > max_bytes:
                        raise too_long
    except TimeoutError as error:
        raise HTTPException(
            408, f"The body did not arrive within {SECONDS:g} s. Send it again."
        ) from error
    return body


def uploads(content_type: str, body: bytearray, most: int) -> dict[str, bytes]:
    """The pictures in a body, by what to call them.

    Args:
        content_type: the header of that name.
        body: all of it.
        most: how many pictures it may hold.

    Raises:
        HTTPException: 415, the content is of another type; 422, not JSON as in `Pictures`, or more
            pictures.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return {"image": bytes(body)}
    if kind != JSON:
        raise HTTPException(415, f"Received Content-Type {kind or 'none'}. {EXPECTED}")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"The body is not JSON: {error}. {EXPECTED}") from error
    images = given["images"] if isinstance(given, dict) and given.keys() == {"images"} else None
    if not isinstance(images, list) or not images:
        raise HTTPException(422, f"The body is other JSON. {EXPECTED}")
    if len(images) > most:
        raise HTTPException(
            422, f"Received {len(images)} pictures and at most {most} are allowed. Send fewer."
        )
    pictures = {}
    for i, text in enumerate(images):
        try:
            pictures[f"images[{i}]"] = base64.b64decode(text, validate=True)
        except (ValueError, TypeError) as error:
            raise HTTPException(422, f"images[{i}] is not base64. {EXPECTED}") from error
    return pictures


def describe(errors) -> str:
    """The first of the errors that pydantic lists, in a line."""
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in errors[0]["loc"])
    message = errors[0]["msg"].removesuffix(".")
    return f"{place.removeprefix('.')}: {message}" if place else message
