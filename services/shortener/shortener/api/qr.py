"""/v1/links/{id}/qr: the short URL as a QR code."""

import asyncio
import hashlib
import io
from enum import StrEnum
from typing import Annotated

import segno
from chassis.problems import problem_responses
from fastapi import APIRouter, Query, Request, Response

from shortener.api import shapes
from shortener.api.access import CallingTenant
from shortener.api.headers import is_unchanged
from shortener.api.parameters import ALWAYS, LinkId
from shortener.problems import LinkNotFound
from shortener.usecases import links as usecases

router = APIRouter(prefix="/v1/links", tags=["links"])

SCALE_MAX = 40
BORDER_MAX = 16


class Format(StrEnum):
    SVG = "svg"
    PNG = "png"


class Correction(StrEnum):
    """How much of the code may be hidden: 7, 15, 25 or 30 per cent."""

    L = "L"
    M = "M"
    Q = "Q"
    H = "H"


_MEDIA_TYPES = {Format.SVG: "image/svg+xml", Format.PNG: "image/png"}


@router.get(
    "/{link_id}/qr",
    summary="Get the QR code of a link",
    response_class=Response,
    responses=problem_responses(*ALWAYS, LinkNotFound)
    | {
        200: {
            "description": "The image.",
            "content": {
                "image/svg+xml": {"schema": {"type": "string"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        304: {"description": "Unchanged"},
    },
)
async def get_qr(
    request: Request,
    tenant: CallingTenant,
    link_id: LinkId,
    image: Annotated[Format, Query(alias="format")] = Format.SVG,
    scale: Annotated[int, Query(ge=1, le=SCALE_MAX, description="Pixels a module.")] = 8,
    border: Annotated[
        int, Query(ge=0, le=BORDER_MAX, description="Quiet zone in modules; readers want 4.")
    ] = 4,
    ecc: Annotated[Correction, Query(description="Error correction.")] = Correction.M,
) -> Response:
    """The code holds `short_url`; it never changes, so it may be cached for good."""
    link = await usecases.get_link(request.app.state.resources, tenant, link_id)
    text = shapes.short_url(link, shapes.base_url_of(request))
    digest = hashlib.sha256(f"{text} {image} {scale} {border} {ecc}".encode()).hexdigest()[:16]
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=86400"}
    if is_unchanged(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    # Milliseconds of pure Python: beside the event loop.
    drawn = await asyncio.to_thread(_draw, text, image, scale, border, ecc)
    return Response(drawn, headers=headers, media_type=_MEDIA_TYPES[image])


def _draw(text: str, image: Format, scale: int, border: int, ecc: Correction) -> bytes:
    out = io.BytesIO()
    code = segno.make_qr(text, error=ecc.value, boost_error=False)
    code.save(out, kind=image.value, scale=scale, border=border)
    return out.getvalue()
