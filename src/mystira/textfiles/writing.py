"""Writes plain values as YAML that `reading` reads back as the very same: what looks like something else is quoted."""

from decimal import Decimal
from typing import Any

import yaml

from mystira.textfiles.reading import is_plain_text

LINE_LENGTH = 120


def to_yaml(value: Any) -> str:
    """Return the value as YAML 1.2 for people: long texts as blocks, maps in the order that they have."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=LINE_LENGTH)


class _Writer(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write what is there twice twice: people change one of them."""
        return True


def _text(writer: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    # Line ends of other kinds would be turned into usual ones inside a block.
    odd = any(one in text for one in "\r\x85\u2028\u2029\ufeff")
    style = '"' if odd or not is_plain_text(text) else "|" if "\n" in text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _number(writer: yaml.CSafeDumper, number: Decimal) -> yaml.ScalarNode:
    # Without a tag of its own, "1" and "0.25" stay bare.
    text = f"{number:f}"
    kind = "float" if "." in text else "int"
    return writer.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Writer.add_representer(str, _text)
_Writer.add_representer(Decimal, _number)
