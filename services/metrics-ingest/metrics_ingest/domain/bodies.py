"""Compressed bodies, unpacked within bounds that are checked before memory is taken."""

import io
import mmap
import zlib
from collections.abc import Callable, Iterator

import cramjam
import zstandard


class BodyError(Exception):
    """A body that is refused as a whole."""


class BodyTooLarge(BodyError):  # noqa: N818 as HTTP says it
    """413: it is, or says that it unpacks to, more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is, or unpacks to, more than {limit} bytes")
        self.limit = limit


class TooManyParts(BodyTooLarge):
    """413, as for any body that is larger than it looks: more than `limit` of its `parts`."""

    def __init__(self, limit: int, parts: str) -> None:
        BodyError.__init__(self, f"the body holds more than {limit} {parts}: send it in pieces")
        self.limit = limit


class BodyMalformed(BodyError):  # noqa: N818
    """400: it is not what its headers say."""


class EncodingUnknown(BodyError):  # noqa: N818
    """415: a content encoding that nobody here speaks."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"content encoding {encoding!r} is not supported")
        self.encoding = encoding


ENCODINGS = ("gzip", "deflate", "zstd", "snappy", "identity")
_READ_BYTES = 2**20
_FED_BYTES = 2**16
# What is longer is counted before it is kept: a bomb takes time, and no memory.
_KEPT_BYTES_MAX = 8 * 2**20
_ZLIB_METHOD = 8
_MEMBERS_MAX = 100
# Blocks of zstd, chunks of framed snappy: tiny ones would cost more time than what they hold.
_PIECES_MAX = 100_000
# Encodings one upon another: nobody sends more than one.
_LAYERS_MAX = 2
_FRAMED_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_FRAME_BYTES_MAX = 65_536
_CHECKSUM_BYTES = 4
# A window beyond this is memory that the body asks for, and no usual sender's level does.
_ZSTD_WINDOW_MAX = 8 * 2**20
_ZSTD_FRAME_HEAD_BYTES_MAX = 18
_ZSTD_BLOCK_HEAD_BYTES = 3
_ZSTD_REPEATED = 1
# Snappy's densest element is three bytes for 64: whoever declares more does not mean it.
_SNAPPY_RATIO_MAX = 22
_VARINT_BYTES_MAX = 5


def decode(body: bytes, encoding: str, unpacked_bytes_max: int) -> bytes:
    """Undo a `Content-Encoding` (a list of them is undone from its end); "" and "identity" leave it alone.

    Raises `BodyTooLarge`, `BodyMalformed`, `EncodingUnknown`.
    """
    layers = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(layers) > _LAYERS_MAX:
        raise EncodingUnknown(encoding)
    for name in reversed(layers):
        undo = _DECODERS.get(name)
        if undo is None:
            raise EncodingUnknown(name)
        body = undo(body, unpacked_bytes_max)
    if len(body) > unpacked_bytes_max:
        raise BodyTooLarge(unpacked_bytes_max)
    return body


def snappy_size(block: bytes, unpacked_bytes_max: int) -> int:
    """What the block says it unpacks to; believed only as far as it is possible."""
    size = shift = 0
    for byte in block[:_VARINT_BYTES_MAX]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 the last byte of a varint
            break
    else:
        raise BodyMalformed("the body is no snappy block")
    if size > unpacked_bytes_max:
        raise BodyTooLarge(unpacked_bytes_max)
    if size > len(block) * _SNAPPY_RATIO_MAX:
        raise BodyMalformed("the snappy block is shorter than it says")
    return size


def unsnap(block: bytes, unpacked_bytes_max: int) -> bytes:
    """A snappy block, its declared size checked before memory is taken."""
    snappy_size(block, unpacked_bytes_max)
    try:
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise BodyMalformed("the body is no snappy block") from error


def unsnap_apart(block: bytes, unpacked_bytes_max: int) -> mmap.mmap:
    """The same, of large ones: in pages of its own, written once, which go back to the system with it."""
    size = snappy_size(block, unpacked_bytes_max)
    pages = mmap.mmap(-1, max(size, 1))
    try:
        written = cramjam.snappy.decompress_raw_into(block, pages)
    except cramjam.DecompressionError as error:
        raise BodyMalformed("the body is no snappy block") from error
    if written != size or not size:
        raise BodyMalformed("the body is no snappy block")
    return pages


def _snappy(body: bytes, unpacked_bytes_max: int) -> bytes:
    """A block or a framed stream."""
    if not body.startswith(_FRAMED_MAGIC):
        return unsnap(body, unpacked_bytes_max)
    if _framed_size(body) > unpacked_bytes_max:
        raise BodyTooLarge(unpacked_bytes_max)
    try:
        return bytes(cramjam.snappy.decompress(body))
    except cramjam.DecompressionError as error:
        raise BodyMalformed("the body is no snappy stream") from error


def _framed_size(body: bytes) -> int:
    """The sum of what its chunks say, each within the format's bound."""
    total = pos = chunks = 0
    while pos < len(body):
        chunks += 1
        if chunks > _PIECES_MAX:
            raise BodyMalformed(f"the body is in more than {_PIECES_MAX} pieces")
        kind, size = body[pos], int.from_bytes(body[pos + 1 : pos + 4], "little")
        content = pos + 4 + _CHECKSUM_BYTES
        pos += 4 + size
        if pos > len(body):
            raise BodyMalformed("the snappy stream ends within a chunk")
        if kind == 0:
            total += snappy_size(body[content:pos][:_FRAME_BYTES_MAX], _FRAME_BYTES_MAX)
        elif kind == 1:
            total += pos - content
    return total


def _gathered(pieces: Callable[[], Iterator[bytes]], unpacked_bytes_max: int) -> bytes:
    """Past some megabytes they are only counted, and made again once they are known to fit."""
    kept, size = io.BytesIO(), 0
    for piece in pieces():
        size += len(piece)
        if size > unpacked_bytes_max:
            raise BodyTooLarge(unpacked_bytes_max)
        if size <= _KEPT_BYTES_MAX:
            kept.write(piece)
    if size > _KEPT_BYTES_MAX:
        # It grows where it stands, and its value is no copy.
        kept = io.BytesIO()
        for piece in pieces():
            kept.write(piece)
    return kept.getvalue()


def _inflated(body: bytes, wbits: int) -> Iterator[bytes]:
    """Members one after the other, as gzip allows them."""
    view, pos, members = memoryview(body), 0, 0
    while pos < len(body):
        members += 1
        if members > _MEMBERS_MAX:
            raise BodyMalformed(f"the body has more than {_MEMBERS_MAX} compressed members")
        member = zlib.decompressobj(wbits)
        while not member.eof:
            left: bytes | memoryview = member.unconsumed_tail
            if not left:
                left = view[pos : pos + _FED_BYTES]
                pos += len(left)
            try:
                piece = member.decompress(left, _READ_BYTES)
            except zlib.error as error:
                raise BodyMalformed("the body is not compressed as its header says") from error
            if not piece and not left and not member.eof:
                raise BodyMalformed("the compressed body ends too early")
            yield piece
        pos -= len(member.unused_data)


def _inflate(body: bytes, unpacked_bytes_max: int, wbits: int) -> bytes:
    return _gathered(lambda: _inflated(body, wbits), unpacked_bytes_max)


def _gzip(body: bytes, unpacked_bytes_max: int) -> bytes:
    return _inflate(body, unpacked_bytes_max, 16 + zlib.MAX_WBITS)


def _deflate(body: bytes, unpacked_bytes_max: int) -> bytes:
    """With zlib's header, as HTTP says, or bare, as many send it."""
    is_zlib = len(body) > 1 and body[0] & 0x0F == _ZLIB_METHOD and (body[0] << 8 | body[1]) % 31 == 0
    return _inflate(body, unpacked_bytes_max, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _zstd_declared(body: bytes) -> int:
    """The sum of what its frames say, as far as they do; one that ends too early is none to the library."""
    total = pos = blocks = 0
    while pos < len(body):
        head = body[pos : pos + _ZSTD_FRAME_HEAD_BYTES_MAX]
        frame = zstandard.get_frame_parameters(head)
        if frame.content_size != zstandard.CONTENTSIZE_UNKNOWN:
            total += frame.content_size
        pos += zstandard.frame_header_size(head)
        last = False
        while not last:
            block = int.from_bytes(body[pos : pos + _ZSTD_BLOCK_HEAD_BYTES], "little")
            pos += _ZSTD_BLOCK_HEAD_BYTES + (1 if block >> 1 & 3 == _ZSTD_REPEATED else block >> 3)
            last = bool(block & 1) or pos > len(body)
            blocks += 1
            if blocks > _PIECES_MAX:
                raise BodyMalformed(f"the body is in more than {_PIECES_MAX} pieces")
        pos += _CHECKSUM_BYTES if frame.has_checksum else 0
    if pos != len(body):
        raise BodyMalformed("the compressed body ends too early")
    return total


def _unzstd(body: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
    with decompressor.stream_reader(body, read_across_frames=True) as reader:
        while piece := reader.read(_READ_BYTES):
            yield piece


def _zstd(body: bytes, unpacked_bytes_max: int) -> bytes:
    try:
        if _zstd_declared(body) > unpacked_bytes_max:
            raise BodyTooLarge(unpacked_bytes_max)
        return _gathered(lambda: _unzstd(body), unpacked_bytes_max)
    except zstandard.ZstdError as error:
        raise BodyMalformed("the body is not compressed with zstd, or with too large a window") from error


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    # As Datadog's clients call it.
    "zstd1": _zstd,
    "snappy": _snappy,
}
