"""ZIP archives of strangers: what they may hold is unpacked to disk, everything else is refused before it costs."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from mystira.textfiles.reading import Refused
from mystira.textfiles.zips import ZipLimits, read_directory, unpack


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def read_all(data: bytes, folder: Path, limits: ZipLimits | None = None) -> dict[str, bytes]:
    source = io.BytesIO(data)
    found: dict[str, bytes] = {}
    for at, entry in enumerate(read_directory(source, limits or ZipLimits())):
        unpack(source, entry, folder / str(at))
        found[entry.name] = (folder / str(at)).read_bytes()
    return found


def why_not(data: bytes, folder: Path, limits: ZipLimits | None = None) -> str:
    with pytest.raises(Refused) as refused:
        read_all(data, folder, limits)
    return refused.value.why.code


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_usual_archive_comes_out_as_it_went_in(tmp_path: Path, method: int) -> None:
    files = {"a.txt": b"hello", "media/größe.txt": bytes(300_000), "b/c/d.bin": bytes(range(256)) * 999, "empty": b""}
    assert read_all(packed(files, method), tmp_path) == files


def test_an_archive_written_as_a_stream_is_read_too(tmp_path: Path) -> None:
    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    out = OneWay()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"hello" * 100)
    assert read_all(out.getvalue(), tmp_path) == {"a.txt": b"hello" * 100}


def test_litter_and_folders_are_left_out(tmp_path: Path) -> None:
    files = {"media/": b"", "media/a.txt": b"a", "__MACOSX/media/._a.txt": b"x", ".DS_Store": b"x", "media/._b": b"x"}
    assert list(read_all(packed(files), tmp_path)) == ["media/a.txt"]


def overlapping() -> bytes:
    """Three names of one and the same bytes: what the standard library opens without a word."""
    data = packed({"a": bytes(1000), "b": bytes(1000), "c": bytes(1000)})
    directory = data.index(b"PK\x01\x02")
    head, tail = data[:directory], bytearray(data[directory:])
    at = 0
    while (at := tail.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<L", tail, at + 42, 0)
        at += 4
    return head + bytes(tail)


def quoted() -> bytes:
    """An entry whose compressed data hold the next entry's header: overlapping without the same start."""
    inner = packed({"b": b"x" * 50})
    local = inner[: inner.index(b"PK\x01\x02")]
    data = packed({"a": local}, zipfile.ZIP_STORED)
    at = data.index(local)
    directory_at = data.index(b"PK\x01\x02", len(local))
    directory, end = data[directory_at : data.rindex(b"PK\x05\x06")], data[data.rindex(b"PK\x05\x06") :]
    second = bytearray(inner[inner.index(b"PK\x01\x02") : inner.rindex(b"PK\x05\x06")])
    struct.pack_into("<L", second, 42, at)
    fresh = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory) + len(second), directory_at, 0)
    assert len(end) == len(fresh)
    return data[:directory_at] + directory + bytes(second) + fresh


def changed(data: bytes, marker: bytes, offset: int, form: str, value: int) -> bytes:
    made = bytearray(data)
    struct.pack_into(form, made, data.index(marker) + offset, value)
    return bytes(made)


def bomb() -> bytes:
    return packed({"a.txt": bytes(50_000_000)})


def linked() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.txt")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def lying() -> bytes:
    """The directory says ten bytes, and there are a million more."""
    data = packed({"a": bytes(900_000)})
    return changed(data, b"PK\x01\x02", 24, "<L", 10)


def two_names() -> bytes:
    data = bytearray(packed({"good.txt": b"x"}))
    data[30:34] = b"evil"
    return bytes(data)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "overlapping": (overlapping, "zip_overlap"),
    "quoted": (quoted, "zip_overlap"),
    "bomb": (bomb, "zip_bomb"),
    "many small bombs": (lambda: packed({f"{at}": bytes(900_000) for at in range(40)}), "zip_unpacks_too_large"),
    "up": (lambda: packed({"../a": b"x"}), "zip_name"),
    "up inside": (lambda: packed({"a/../../b": b"x"}), "zip_name"),
    "absolute": (lambda: packed({"/etc/passwd": b"x"}), "zip_name"),
    "drive": (lambda: packed({"c:a": b"x"}), "zip_name"),
    "backslash": (lambda: packed({"a\\..\\b": b"x"}), "zip_name"),
    "control": (lambda: packed({"a\x1bb": b"x"}), "zip_name"),
    "link": (linked, "zip_link"),
    "archive by name": (lambda: packed({"a/b.ZIP": b"x"}), "zip_in_zip"),
    "archive by content": (lambda: packed({"picture.png": packed({"a": b"x"})}), "zip_in_zip"),
    "too many": (lambda: packed({f"{at}": b"" for at in range(101)}), "too_many_entries"),
    "password": (lambda: changed(packed({"a": b"x"}), b"PK\x01\x02", 8, "<H", 1), "zip_password"),
    "method": (lambda: changed(packed({"a": b"x"}), b"PK\x01\x02", 10, "<H", 14), "zip_method"),
    "lying size": (lying, "damaged_zip"),
    "wrong checksum": (lambda: changed(packed({"a": b"x"}), b"PK\x01\x02", 16, "<L", 1), "damaged_zip"),
    "cut": (lambda: packed({"a": bytes(1000)})[:-30], "not_a_zip"),
    "nothing": (lambda: b"", "not_a_zip"),
    "text": (lambda: b"hello" * 1000, "not_a_zip"),
    "directory elsewhere": (lambda: b"x" * 10 + packed({"a": b"x"}), "damaged_zip"),
    "two names": (two_names, "damaged_zip"),
    "the same name twice": (lambda: packed({"a/b": b"1", "A/B": b"2"}), "zip_twins"),
    "huge": (lambda: changed(packed({"a": b"x"}), b"PK\x05\x06", 12, "<L", 0xFFFFFFFF), "zip_too_large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    make, code = HOSTILE[name]
    assert why_not(make(), tmp_path, ZipLimits(entries=100, bytes=30_000_000) if name != "bomb" else None) == code


def test_bits_that_are_flipped_never_do_more_than_refuse(tmp_path: Path) -> None:
    data = packed({"a.txt": b"hello there " * 20, "b.txt": bytes(500)})
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x41
        try:
            read_all(bytes(broken), tmp_path)
        except Refused as refused:
            assert refused.why.message.endswith(".")


def test_unpacking_keeps_nothing_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed({"noise": Random(1).randbytes(10_000_001)}))
    tracemalloc.start()
    with (tmp_path / "a.zip").open("rb") as source:
        (entry,) = read_directory(source)
        unpack(source, entry, tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "out").stat().st_size > 10_000_000 and peak < 1_000_000
