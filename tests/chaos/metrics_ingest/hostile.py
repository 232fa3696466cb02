"""Bodies that no well-meaning sender makes."""

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cramjam
import zstandard

from tests.support import remote_write

MIB = 2**20
BOMB_BYTES = 200 * MIB
LARGE_BYTES = 10_000_000
_PIECE = bytes(MIB)
_FRAMED_BYTES = 65_536

WRITE = "/api/v1/write"
POINTS = "/api/v1/points"
TEXT = "/api/v1/import/prometheus"
INFLUX = "/write"
OTLP = "/v1/metrics"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Hostile:
    """A request, and the statuses that are right for it."""

    name: str
    path: str
    body: bytes = field(repr=False)
    encoding: str
    statuses: tuple[int, ...]

    @property
    def headers(self) -> dict[str, str]:
        kinds = {WRITE: PROTOBUF, OTLP: PROTOBUF, POINTS: "application/json", TEXT: "text/plain"}
        named = {"content_type": kinds.get(self.path, "text/plain")}
        return named | ({"content_encoding": self.encoding} if self.encoding else {})


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def snappy_bomb(size: int) -> bytes:
    """A block of one letter and copies of it: 9 MiB come to 200."""
    copies = (size - 1) // 64
    rest = size - 1 - 64 * copies
    return varint(size) + b"\x00 " + b"\xfe\x01\x00" * copies + b"\x00 " * rest


def framed_bomb(size: int) -> bytes:
    chunk = b"\0\0\0\0" + bytes(cramjam.snappy.compress_raw(bytes(_FRAMED_BYTES)))
    one = b"\0" + len(chunk).to_bytes(3, "little") + chunk
    return b"\xff\x06\x00\x00sNaPpY" + one * (size // _FRAMED_BYTES)


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(_PIECE) for _ in range(size // MIB)) + packer.flush()


def zstd_bomb(size: int, *, tells: bool) -> bytes:
    """Its header tells the size, or leaves it out."""
    packer = zstandard.ZstdCompressor(level=3).compressobj(size=size if tells else -1)
    return b"".join(packer.compress(_PIECE) for _ in range(size // MIB)) + packer.flush()


def bombs() -> list[Hostile]:
    """Each by every way in that unpacks it."""
    made = {
        "snappy": snappy_bomb(BOMB_BYTES),
        "snappy, framed": framed_bomb(BOMB_BYTES),
        "gzip": gzip_bomb(BOMB_BYTES),
        "zstd": zstd_bomb(BOMB_BYTES, tells=True),
        "zstd, silent": zstd_bomb(BOMB_BYTES, tells=False),
        "snappy of 4 GiB, declared": varint(2**32 - 1) + b"\x00 " * 100,
        "snappy of more than 4 GiB, declared": varint(2**32) + b"\x00 " * 100,
    }
    return [
        Hostile(f"{name} to {path}", path, body, name.partition(",")[0].partition(" ")[0], (400, 413))
        for name, body in made.items()
        for path in (WRITE, POINTS, OTLP)
    ]


def truncated() -> list[Hostile]:
    now_ms = int(time.time() * 1000)
    message = remote_write.request(numbered("cut", 100, now_ms))
    points = json.dumps({"points": [{"name": "cut", "value": 1.0}]}).encode()
    text = b"cut 1\n" * 100
    zstd = zstandard.ZstdCompressor().compress(text)
    return [
        Hostile("half a message", WRITE, remote_write.snap(message[: len(message) // 2]), "snappy", (400,)),
        Hostile("half a block", WRITE, remote_write.snap(message)[:-40], "snappy", (400,)),
        Hostile("no block at all", WRITE, b"", "snappy", (400,)),
        Hostile("half of gzip", TEXT, gzip.compress(text)[:-12], "gzip", (400,)),
        Hostile("half of zstd", TEXT, zstd[: len(zstd) // 2], "zstd", (400,)),
        Hostile("half of JSON", POINTS, points[:-4], "", (400,)),
        Hostile("half of OTLP", OTLP, b"\x0a\x7f\x0a", "", (400,)),
        Hostile("an encoding that nobody has", TEXT, text, "rot13", (415,)),
    ]


def large() -> list[Hostile]:
    """10 MB each: of nothing, of one value, of very many points."""
    now_ms = int(time.time() * 1000)
    one = [("__name__", "large"), ("value", "x" * LARGE_BYTES)]
    value = remote_write.request([remote_write.series(one, [(now_ms, 1.0)])])
    empty_series = remote_write.snap(b"\x0a\x00" * (LARGE_BYTES // 2))
    empty = itertools.repeat(b'{"name":"","value":1},', LARGE_BYTES // 22)
    return [
        Hostile("zeroes", WRITE, bytes(LARGE_BYTES), "", (400, 413)),
        Hostile("a label's value", WRITE, remote_write.snap(value), "snappy", (400,)),
        Hostile("brackets", POINTS, b"[" * LARGE_BYTES, "", (400, 413)),
        Hostile("points without a name", POINTS, _json(empty), "", (400, 413)),
        Hostile("one line", TEXT, b"a" * LARGE_BYTES, "", (400,)),
        Hostile("lines of nothing", TEXT, b"{\n" * (LARGE_BYTES // 2), "", (413,)),
        Hostile("lines of no Influx", INFLUX, b",\n" * (LARGE_BYTES // 2), "", (413,)),
        Hostile("one line of Influx", INFLUX, b"m," + b"t=1," * (LARGE_BYTES // 4), "", (400,)),
        Hostile("zeroes as OTLP", OTLP, bytes(LARGE_BYTES), "", (400,)),
        Hostile("resources without metrics", OTLP, b"\x0a\x00" * (LARGE_BYTES // 2), "", (400, 413)),
        Hostile("series without labels", WRITE, empty_series, "snappy", (400, 413)),
    ]


def _json(points: Iterator[bytes]) -> bytes:
    return b'{"points":[' + b"".join(points)[:-1] + b"]}"


def numbered(name: str, count: int, at_ms: int, *, first: int = 0, value: float = 1.0) -> list[Any]:
    """So many series of one sample each."""
    return [
        remote_write.series([("__name__", name), ("n", str(n))], [(at_ms, value)])
        for n in range(first, first + count)
    ]
