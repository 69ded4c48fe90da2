"""Compressed request bodies, unpacked piece by piece: a small body that unpacks to a large one is refused on the way."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from waypost.errors import InvalidRequest, UnsupportedEncoding

PIECE_BYTES = 64 << 10
# 8 MiB: what RFC 9659 allows over HTTP. The format would let a body of a few bytes demand gigabytes.
_ZSTD_WINDOW_LOG = 23


class Unpacker(Protocol):
    """Unpacks one body. Raises `InvalidRequest` for what is not valid, or goes on after its end."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` completes, in pieces of at most ``PIECE_BYTES``."""
        ...

    def end(self) -> None:
        """Raises `InvalidRequest` if the body is not complete."""
        ...


def unpacker(headers: Iterable[tuple[bytes, bytes]]) -> Unpacker | None:
    """What unpacks a body with these headers; ``None`` if it is not compressed.

    Raises `UnsupportedEncoding` for anything but one of gzip, deflate and zstd: Brotli has no way to unpack a part, and two
    encodings in a row multiply what a small body can cost.
    """
    given = [value for name, value in headers if name == b"content-encoding"]
    if not given:
        return None
    name = b",".join(given).strip().lower()
    if name in (b"", b"identity"):
        return None
    make = _UNPACKERS.get(name)
    if make is None:
        raise UnsupportedEncoding("this content-encoding is not accepted: use one of gzip, deflate and zstd, or none")
    return make()


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise _invalid() from None
            if self._stream.unused_data:
                raise _invalid()
            yield piece
            data, full = self._stream.unconsumed_tail, len(piece) == PIECE_BYTES

    def end(self) -> None:
        if not self._stream.eof:
            raise _invalid()


class _Zstd:
    def __init__(self, library: Any) -> None:
        self._stream = library.ZstdDecompressor(options={library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
        self._error: type[Exception] = library.ZstdError

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._stream.needs_input or self._stream.eof):
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except (self._error, EOFError):
                raise _invalid() from None
            if self._stream.unused_data:
                raise _invalid()
            yield piece
            data = b""

    def end(self) -> None:
        if not self._stream.eof:
            raise _invalid()


def _open_zstd() -> Unpacker:
    # Imported here: few clients send it, and some builds of Python have none.
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 -- see above
        else:
            from backports import zstd  # noqa: PLC0415 -- see above
    except ImportError:
        raise UnsupportedEncoding("this server's Python cannot unpack zstd: use gzip, or no content-encoding") from None
    return _Zstd(zstd)


def _invalid() -> InvalidRequest:
    return InvalidRequest("the body is not what its content-encoding says, or is not complete")


_UNPACKERS: Mapping[bytes, Callable[[], Unpacker]] = {
    b"gzip": partial(_Zlib, 16 + zlib.MAX_WBITS),
    b"x-gzip": partial(_Zlib, 16 + zlib.MAX_WBITS),
    b"deflate": partial(_Zlib, zlib.MAX_WBITS),
    b"zstd": _open_zstd,
}
