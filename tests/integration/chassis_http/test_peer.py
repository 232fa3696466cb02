"""The client between our own processes, against servers that behave and servers that do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from chassis.peer import ANSWER_BYTES_MAX, Peer, PeerAnswer, PeerError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def served(handle: Handler) -> AsyncIterator[Peer]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    peer = Peer(f"http://127.0.0.1:{port}/base", headers={"Authorization": "Bearer k"}, idle_max=4)
    try:
        yield peer
    finally:
        peer.close()
        server.close()
        await server.wait_closed()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)


def answering(
    answer: bytes, *, heard: list[bytes] | None = None, dialled: list[int] | None = None
) -> Handler:
    """Gives `answer` to every request, over as few connections as it is sent them on."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if dialled is not None:
            dialled.append(1)
        while True:
            request = await request_of(reader)
            if heard is not None:
                heard.append(request)
            writer.write(answer)

    return handle


async def test_a_request_is_what_was_said_and_the_answer_what_came() -> None:
    heard: list[bytes] = []
    async with served(answering(ANSWER, heard=heard)) as peer:
        answer = await peer.post("/v1/charges", b"{}", {"Idempotency-Key": "a"})

    assert answer == PeerAnswer(201, b"{}")
    head = heard[0].decode().split("\r\n")
    assert head[0] == "POST /base/v1/charges HTTP/1.1"
    assert {"Authorization: Bearer k", "Idempotency-Key: a", "Content-Length: 2"} <= set(head)


async def test_requests_share_a_connection_one_after_the_other() -> None:
    dialled: list[int] = []
    async with served(answering(ANSWER, dialled=dialled)) as peer:
        for _ in range(3):
            await peer.post("/", b"{}", {})
        assert len(dialled) == 1
        await asyncio.gather(*(peer.post("/", b"{}", {}) for _ in range(3)))

    assert 1 < len(dialled) <= 3


async def test_an_answer_in_pieces_and_in_chunks_is_whole() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in (
            b"HTTP/1.1 200 OK\r\nTransfer-",
            b"Encoding: chunked\r\n\r\n3\r\nab",
            b"c\r\n0\r\n\r\n",
        ):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with served(handle) as peer:
        assert await peer.post("/", b"{}", {}) == PeerAnswer(200, b"abc")


async def test_a_connection_that_the_server_ends_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    dialled: list[int] = []
    async with served(answering(answer, dialled=dialled)) as peer:
        await peer.post("/", b"{}", {})
        await peer.post("/", b"{}", {})

    assert len(dialled) == 2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SMTP ready\r\n\r\n"]
)
async def test_no_answer_half_of_one_and_nonsense_are_errors(answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)

    async with served(handle) as peer:
        with pytest.raises(PeerError):
            await peer.post("/", b"{}", {})


async def test_an_answer_without_end_is_cut() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * (ANSWER_BYTES_MAX // 8))
            await writer.drain()

    async with served(handle) as peer:
        with pytest.raises(PeerError, match="above"):
            await peer.post("/", b"{}", {})


async def test_a_request_that_is_given_up_takes_its_connection_along() -> None:
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await request_of(reader)
        assert await reader.read() == b""
        gone.set()

    async with served(handle) as peer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.post("/", b"{}", {})
        await asyncio.wait_for(gone.wait(), 5)


async def test_where_nobody_listens_the_error_is_the_systems() -> None:
    async with served(answering(ANSWER)) as peer:
        pass

    with pytest.raises(ConnectionRefusedError):
        await peer.post("/", b"{}", {})


async def test_a_header_cannot_begin_another() -> None:
    async with served(answering(ANSWER)) as peer:
        with pytest.raises(ValueError, match="line break"):
            await peer.post("/", b"{}", {"Idempotency-Key": "a\r\nX: b"})
