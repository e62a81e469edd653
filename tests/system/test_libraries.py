"""An extra that is not installed is named with the words that install it."""

from __future__ import annotations

import pytest

from whence.system.libraries import LibraryError, library


def test_a_library_that_is_not_there_says_how_to_install_it() -> None:
    with pytest.raises(LibraryError) as raised:
        library("nosuchlibrary.parquet", extra="tables", what="Parquet")
    assert raised.value.message == "Parquet: nosuchlibrary is not installed"
    assert raised.value.hint == "pip install 'whence[tables]'"


def test_a_library_that_is_there_is_given() -> None:
    assert library("json", extra="tables", what="JSON").loads("1") == 1
