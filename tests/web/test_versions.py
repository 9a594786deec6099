"""The version that an editor saw: read strictly, and compared with what the same unit of work has read."""

import pytest

from mystira.polyglot.entity import PACKED_MAX, Stamp
from mystira.web.versions import ANY, VersionUnreadable, etag, version_in


def test_a_version_goes_out_as_an_etag_and_comes_back_from_a_form():
    stamp = Stamp(3, 41)
    assert etag(stamp) == f'"{stamp.packed}"'
    assert version_in(str(stamp.packed)) == stamp
    assert version_in(str(PACKED_MAX)) == ANY


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", " 7", "٣", "9" * 17, str(PACKED_MAX + 1)])
def test_what_was_never_a_version_is_refused(text: str):
    with pytest.raises(VersionUnreadable):
        version_in(text)
