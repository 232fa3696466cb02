"""Compressed bodies, unpacked within bounds that are checked before memory is taken."""


class BodyError(Exception):
    """A body that is refused as a whole."""


class BodyTooLarge(BodyError):  # noqa: N818 as HTTP says it
    """413: it is, or says that it unpacks to, more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body unpacks to more than {limit} bytes")
        self.limit = limit


class BodyMalformed(BodyError):  # noqa: N818
    """400: it is not what its headers say."""


class EncodingUnknown(BodyError):  # noqa: N818
    """415: a content encoding that nobody here speaks."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"content encoding {encoding!r} is not supported")
        self.encoding = encoding


ENCODINGS = ("gzip", "deflate", "zstd", "snappy", "identity")


def decode(body: bytes, encoding: str, unpacked_bytes_max: int) -> bytes:
    """Undo a `Content-Encoding` (a list of them is undone from its end); "" and "identity" leave it alone.

    Raises `BodyTooLarge`, `BodyMalformed`, `EncodingUnknown`.
    """
    raise NotImplementedError
