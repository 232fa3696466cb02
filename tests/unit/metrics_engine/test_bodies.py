"""Compressed bodies: every encoding, and a bound that holds before memory is taken."""

import gzip
import zlib

import cramjam
import pytest
import zstandard
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge, EncodingUnknown, decode

TEXT = b"up 1\n" * 1000


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


def streamed_zstd(data: bytes) -> bytes:
    """Without its size in the header."""
    squeeze = zstandard.ZstdCompressor().compressobj()
    return squeeze.compress(data) + squeeze.flush()


PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:2000]) + gzip.compress(TEXT[2000:]),
    "deflate": zlib.compress(TEXT),
    "Deflate ": raw_deflate(TEXT),
    "zstd": zstandard.ZstdCompressor().compress(TEXT),
    " ZSTD": streamed_zstd(TEXT),
    "snappy": bytes(cramjam.snappy.compress_raw(TEXT)),
    "Snappy": bytes(cramjam.snappy.compress(TEXT)),
    "": TEXT,
    "identity": TEXT,
    "zstd, gzip": gzip.compress(zstandard.ZstdCompressor().compress(TEXT)),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_every_encoding_is_undone(encoding: str) -> None:
    assert decode(PACKED[encoding], encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_above_the_bound_is_too_large(encoding: str) -> None:
    with pytest.raises(BodyTooLarge):
        decode(PACKED[encoding], encoding, len(TEXT) - 1)


@pytest.mark.parametrize("encoding", [name for name in PACKED if name not in {"", "identity"}])
def test_a_body_that_ends_too_early_is_malformed(encoding: str) -> None:
    # Where a member of gzip ends, or the head of a framed stream, another one need not follow.
    whole = {len(gzip.compress(TEXT[:2000])) if encoding == "x-gzip" else 10}
    for length in set(range(1, len(PACKED[encoding]))) - whole:
        with pytest.raises((BodyMalformed, BodyTooLarge)):
            decode(PACKED[encoding][:length], encoding, len(TEXT))


def test_several_frames_of_zstd_are_one_body() -> None:
    frames = PACKED["zstd"] + PACKED[" ZSTD"]
    assert decode(frames, "zstd", 2 * len(TEXT)) == TEXT * 2
    with pytest.raises(BodyTooLarge):
        decode(frames, "zstd", 2 * len(TEXT) - 1)


@pytest.mark.parametrize(
    ("encoding", "head", "piece"),
    [
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x58", b"\0\0\0"),
        ("snappy", b"\xff\x06\0\0sNaPpY", b"\xfe\0\0\0"),
    ],
)
def test_very_many_tiny_pieces_are_malformed(encoding: str, head: bytes, piece: bytes) -> None:
    with pytest.raises(BodyMalformed, match="pieces"):
        decode(head + piece * 100_001, encoding, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "snappy"])
def test_what_is_not_compressed_is_malformed(encoding: str) -> None:
    with pytest.raises((BodyMalformed, BodyTooLarge)):
        decode(b"\xfe this is not what it should be", encoding, 1000)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip, gzip", "gzip;q=1", "lz4"])
def test_an_encoding_that_nobody_speaks_has_its_own_error(encoding: str) -> None:
    with pytest.raises(EncodingUnknown):
        decode(b"x", encoding, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_takes_no_more_than_its_bound(encoding: str) -> None:
    zeros = bytes(2**20)
    if encoding == "gzip":
        squeeze = zlib.compressobj(wbits=31)
        bomb = b"".join(squeeze.compress(zeros) for _ in range(200)) + squeeze.flush()
    else:
        packer = zstandard.ZstdCompressor().compressobj()
        bomb = b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()
    with pytest.raises(BodyTooLarge):
        decode(bomb, encoding, 2**20)


def test_a_framed_stream_is_checked_by_what_its_chunks_declare() -> None:
    liar = bytearray(cramjam.snappy.compress(TEXT))
    liar[18:20] = b"\xff\xff"
    with pytest.raises((BodyMalformed, BodyTooLarge)):
        decode(bytes(liar), "snappy", 2**20)


def test_very_many_tiny_members_are_malformed() -> None:
    with pytest.raises(BodyMalformed, match="members"):
        decode(gzip.compress(b"x") * 101, "gzip", 1000)
