"""What can be said about a text without understanding it: whether it holds HTML, and how old its readers must be."""

import re

HTML = re.compile(r"</?[A-Za-z][^<>]*>|<!--")

WORDS_MIN = 20
YEARS_BEYOND_MAX = 4
# Younger children are read to, so nothing that a child of this age could read is too hard for them.
READING_AGE_MIN = 7
# Texts in scripts without spaces have "words" this long; the measure says nothing about them.
LETTERS_PER_WORD_MAX = 12

_SENTENCE_END = re.compile(r"[.!?…]+(?=[\s\"'”’*_)]|$)|\n\s*\n")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def reading_age(text: str) -> int | None:
    """Return the age that the automated readability index asks for; None where the text is too short to say."""
    words = _WORD.findall(text)
    if len(words) < WORDS_MIN:
        return None
    letters_per_word = sum(map(len, words)) / len(words)
    if letters_per_word > LETTERS_PER_WORD_MAX:
        return None
    sentences = sum(1 for sentence in _SENTENCE_END.split(text) if _WORD.search(sentence))
    grade = 4.71 * letters_per_word + 0.5 * len(words) / sentences - 21.43
    return max(0, round(grade)) + 5


def too_hard_for(text: str, maximum_age: int) -> int | None:
    """Return the reading age of a text that is far above the oldest of its readers, else None."""
    needed = reading_age(text)
    if needed is None or needed <= max(maximum_age, READING_AGE_MIN) + YEARS_BEYOND_MAX:
        return None
    return needed
