"""Reads spans from the binary form of OTLP: of the message ExportTraceServiceRequest, the fields that a picture needs
(opentelemetry-proto, trace/v1/trace.proto; the encoding is that of Protocol Buffers)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass
class Span:
    trace: str
    id: str
    # Empty if it has none.
    parent: str
    service: str
    name: str
    # Nanoseconds since 1970.
    began: int
    ended: int


def spans(request: bytes) -> Iterator[Span]:
    """Raises ValueError for what is no such message."""
    for of_service in every(request, 1):
        service = ""
        for resource in every(of_service, 1):
            for attribute in every(resource, 1):
                if first(attribute, 1) == b"service.name":
                    service = text(first(first(attribute, 2), 1))
        for scope in every(of_service, 2):
            for span in every(scope, 2):
                yield Span(
                    trace=first(span, 1).hex(),
                    id=first(span, 2).hex(),
                    parent=first(span, 4).hex(),
                    service=service,
                    name=text(first(span, 5)),
                    began=int.from_bytes(first(span, 7), "little"),
                    ended=int.from_bytes(first(span, 8), "little"),
                )


def every(message: bytes, number: int) -> Iterator[bytes]:
    return (value for field, value in fields(message) if field == number)


def first(message: bytes, number: int) -> bytes:
    return next(every(message, number), b"")


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each field, of varints without their value."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, at = varint(message, at)
            continue
        length = {FIXED64: 8, FIXED32: 4}.get(kind)
        if kind == BYTES:
            length, at = varint(message, at)
        if length is None or at + length > len(message):
            raise ValueError("no message of Protocol Buffers")
        yield number, message[at : at + length]
        at += length


def varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number that does not end")
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise ValueError("a number that is too long")


def text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
