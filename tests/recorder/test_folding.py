"""The thread that folds the stream."""

from __future__ import annotations

from typing import Any

from whence.recorder.folding import Folding


def test_a_record_that_cannot_be_folded_is_counted_and_those_after_it_are_folded() -> None:
    folded: list[int] = []

    def fold(record: tuple[Any, ...]) -> None:
        if record[0] % 2:
            raise FileNotFoundError(2, "No such file or directory", "a link that has just gone")
        folded.append(record[0])

    folding = Folding(fold)
    folding.add([(number, 0.0, 1, "read", b"/d/a") for number in range(3)])
    folding.add([(number, 0.0, 1, "unlink", b"/d/a") for number in range(3, 6)])
    assert folding.finish() == 0
    assert folded == [0, 2, 4]
    assert folding.failed == {"read: FileNotFoundError": 1, "unlink: FileNotFoundError": 2}
