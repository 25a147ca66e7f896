"""Headers of uploads that are malformed are refused, and never anything worse."""

from __future__ import annotations

import pytest

from services.gateway.domain.tus import parse_metadata
from whimbrel.core.errors import ErrorCode, WhimbrelError


def test_metadata_is_pairs_in_base64() -> None:
    assert parse_metadata("filename Y2F0LnBuZw==,flag") == {"filename": "cat.png", "flag": ""}
    assert parse_metadata(" ") == {}


@pytest.mark.parametrize(
    "header", ["filename \xff", "filename /w==", "a YQ==,a YQ==", ",", "a YQ==,"]
)
def test_metadata_that_cannot_be_read_is_refused(header: str) -> None:
    with pytest.raises(WhimbrelError) as refused:
        parse_metadata(header)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
