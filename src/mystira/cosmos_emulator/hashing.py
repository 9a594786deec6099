"""Effective partition keys: where a partition key lies among all of them, as the service and its clients compute it."""

import struct
from collections.abc import Sequence
from typing import Final


class Undefined:
    """The component of a partition key whose path leads nowhere in a document."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()

Component = str | float | bool | None | Undefined

M32 = 0xFFFFFFFF
M64 = 0xFFFFFFFFFFFFFFFF
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
STRING_BYTES_V1_MAX = 100


def hashed(components: Sequence[Component], *, hierarchical: bool, version: int) -> str:
    """Return the effective partition key, in upper-case hexadecimal digits that sort as the service sorts."""
    if not components:
        return ""
    if hierarchical:
        return "".join(_hash_v2((component,)) for component in components)
    return _hash_v2(components) if version >= 2 else _hash_v1(components)


def _hash_v2(components: Sequence[Component]) -> str:
    low, high = murmur3_128(b"".join(_hashable(component, b"\xff") for component in components))
    digits = high.to_bytes(8, "big") + low.to_bytes(8, "big")
    # The two highest bits are left free, so that every key lies below the end of the space, which is FF.
    return (bytes((digits[0] & 0x3F,)) + digits[1:]).hex().upper()


def _hash_v1(components: Sequence[Component]) -> str:
    cut = [component[:STRING_BYTES_V1_MAX] if isinstance(component, str) else component for component in components]
    number = murmur3_32(b"".join(_hashable(component, b"\0") for component in cut))
    return b"".join(_sortable(component) for component in (float(number), *cut)).hex().upper()


def number_v1(hashed_number: int) -> str:
    """Return where the keys with this 32-bit hash begin in a container of the first version."""
    return _sortable(float(hashed_number)).hex().upper()


def _hashable(component: Component, end_of_text: bytes) -> bytes:
    if isinstance(component, Undefined):
        return b"\x00"
    if component is None:
        return b"\x01"
    if isinstance(component, bool):
        return b"\x03" if component else b"\x02"
    if isinstance(component, str):
        return b"\x08" + component.encode() + end_of_text
    return b"\x05" + struct.pack("<d", float(component))


def _sortable(component: Component) -> bytes:
    """Return bytes that compare as the values do: the first version appends the values themselves to the hash."""
    if isinstance(component, str):
        text = component.encode()
        short = len(text) <= STRING_BYTES_V1_MAX
        shifted = bytes((byte + 1) & 0xFF for byte in text[: len(text) if short else STRING_BYTES_V1_MAX + 1])
        return b"\x08" + shifted + (b"\x00" if short else b"")
    if isinstance(component, Undefined) or component is None or isinstance(component, bool):
        return _hashable(component, b"")
    return b"\x05" + _sortable_number(float(component))


def _sortable_number(number: float) -> bytes:
    bits: int = struct.unpack("<Q", struct.pack("<d", number))[0]
    payload = bits ^ (1 << 63) if bits < 1 << 63 else (~bits + 1) & M64
    found = bytearray((payload >> 56,))
    payload = (payload << 8) & M64
    pending: int | None = None
    # Seven bits a byte follow; the lowest bit says that more is to come.
    while payload:
        if pending is not None:
            found.append(pending)
        pending = (payload >> 56) | 1
        payload = (payload << 7) & M64
    found.append((pending or 0) & 0xFE)
    return bytes(found)


def murmur3_128(data: bytes) -> tuple[int, int]:
    """Return both halves of MurmurHash3 for 64-bit machines, with seed 0."""
    h1 = h2 = 0
    whole = len(data) & ~15
    for first, second in struct.iter_unpack("<QQ", data[:whole]):
        h1 ^= _stir(first, _C1, 31, _C2)
        h1 = (_rotated(h1, 27) + h2) * 5 + 0x52DCE729 & M64
        h2 ^= _stir(second, _C2, 33, _C1)
        h2 = (_rotated(h2, 31) + h1) * 5 + 0x38495AB5 & M64
    rest = data[whole:]
    h2 ^= _stir(int.from_bytes(rest[8:], "little"), _C2, 33, _C1)
    h1 ^= _stir(int.from_bytes(rest[:8], "little"), _C1, 31, _C2)
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = h1 + h2 & M64
    h2 = h2 + h1 & M64
    h1, h2 = _finished(h1), _finished(h2)
    h1 = h1 + h2 & M64
    return h1, h2 + h1 & M64


def murmur3_32(data: bytes) -> int:
    """Return the 32-bit MurmurHash3 with seed 0."""
    found = 0
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        found ^= _stir_32(block)
        found = (found << 13 | found >> 19) & M32
        found = found * 5 + 0xE6546B64 & M32
    found ^= _stir_32(int.from_bytes(data[whole:], "little"))
    found ^= len(data)
    found = (found ^ found >> 16) * 0x85EBCA6B & M32
    found = (found ^ found >> 13) * 0xC2B2AE35 & M32
    return found ^ found >> 16


def _stir(block: int, before: int, turn: int, after: int) -> int:
    return _rotated(block * before & M64, turn) * after & M64


def _stir_32(block: int) -> int:
    block = block * 0xCC9E2D51 & M32
    return (block << 15 | block >> 17) * 0x1B873593 & M32


def _rotated(value: int, turn: int) -> int:
    return (value << turn | value >> 64 - turn) & M64


def _finished(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & M64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return value ^ value >> 33
