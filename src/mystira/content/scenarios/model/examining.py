"""What a reading process does with an author's file: a pure function from bytes to bytes, and what it must be told."""

from collections.abc import Set
from functools import lru_cache
from typing import Literal

import msgspec

from mystira.content.bundles.manifests.model import read_manifest
from mystira.content.scenarios.model.checking import check
from mystira.content.vocabulary.model import Vocabulary, WordKind
from mystira.polyglot.entity import Value
from mystira.textfiles.nodes import Node

EXAMINE = f"{__name__}:examine"
Form = Literal["story", "bundle"]


class Context(Value, frozen=True, kw_only=True):
    """What a file is, and checked against; without `media` nobody asks whether media were uploaded."""

    form: Form = "story"
    words: dict[WordKind, dict[str, str]]
    maximum_ages: dict[str, int]
    media: frozenset[str] | None = None
    add_vocabulary: bool = False
    is_draft: bool = False


def context(
    vocabulary: Vocabulary,
    *,
    form: Form = "story",
    add_vocabulary: bool = False,
    media: Set[str] | None = None,
    is_draft: bool = False,
) -> bytes:
    """Return what `examine` must be told, the same for every file of one form of an import."""
    told = Context(
        form=form,
        words={kind: dict(names) for kind, names in vocabulary.words.items()},
        maximum_ages=dict(vocabulary.maximum_ages),
        media=None if media is None else frozenset(media),
        add_vocabulary=add_vocabulary,
        is_draft=is_draft,
    )
    return msgspec.msgpack.encode(told)


def examine(root: Node, told: bytes) -> bytes:
    """Return the encoded findings and, when nothing is wrong, the content."""
    known, vocabulary = _decoded(told)
    if known.form == "bundle":
        return msgspec.msgpack.encode(read_manifest(root, vocabulary, known.media))
    checked = check(root, vocabulary, add_vocabulary=known.add_vocabulary, media=known.media, is_draft=known.is_draft)
    return msgspec.msgpack.encode(checked)


@lru_cache(maxsize=1)
def _decoded(told: bytes) -> tuple[Context, Vocabulary]:
    known = msgspec.msgpack.decode(told, type=Context)
    return known, Vocabulary(known.words, known.maximum_ages)
