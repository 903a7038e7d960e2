"""HTTP/2 frames written by hand, for what a gRPC library would never send (RFC 9113, RFC 7541)."""

import socket
import ssl
import struct

from tests.server.gateway_labs import Credentials

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, END_HEADERS = 1, 4


def tls(address: str, credentials: Credentials | None, *, timeout_s: float = 20) -> ssl.SSLSocket:
    """Connect and shake hands, as an HTTP/2 client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if credentials is not None:
        assert credentials.certificate is not None
        context.load_cert_chain(credentials.certificate, credentials.key)
    host, _, port = address.rpartition(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=timeout_s))


def frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(headers: list[tuple[str, str]]) -> bytes:
    """HPACK: literals that are not indexed, without Huffman coding."""

    def text(value: str) -> bytes:
        content = value.encode()
        assert len(content) < 127
        return bytes([len(content)]) + content

    return b"".join(b"\x00" + text(name) + text(value) for name, value in headers)


def request_head(stream: int, path: str, *, method: str = "POST", end: bool = False) -> bytes:
    headers = [
        *((":method", method), (":scheme", "https"), (":path", path), (":authority", "gateway")),
        *(("content-type", "application/grpc"), ("te", "trailers")),
    ]
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, stream, header_block(headers), flags=flags)


def opening() -> bytes:
    """With the acknowledgement of settings that are yet to come, so that all can go at once."""
    return PREFACE + frame(SETTINGS, 0) + frame(SETTINGS, 0, flags=1)


def frame_kinds(content: bytes) -> set[int]:
    """The kinds of the frames in what was received."""
    kinds = set()
    while len(content) >= 9:
        kinds.add(content[3])
        content = content[9 + int.from_bytes(content[:3], "big") :]
    return kinds


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side ends or nothing comes any more."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except (TimeoutError, OSError):
        pass
    return received
