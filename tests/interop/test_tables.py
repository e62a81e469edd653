"""Tables in files: rows as they stand there, and precise faults for what is no table."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.interop.tables import TableError, open_table


def read(path: str, content: bytes) -> tuple[bytes | None, list[dict[str, object]], list[bytes]]:
    table = open_table(path, io.BytesIO(content))
    rows = list(table.rows)
    return table.head, [dict(row.values) for row in rows], [row.raw for row in rows]


def test_a_record_of_several_lines_is_one_row_and_keeps_its_bytes() -> None:
    head, rows, raw = read("a.csv", b'a,b\r\n1,"x\ny"\r\n\r\n"2",\r\n')
    assert head == b"a,b\r\n"
    assert rows == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": None}]
    assert raw == [b'1,"x\ny"\r\n', b'"2",\r\n']


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert read("a.csv", b"\xef\xbb\xbfa\n1\n")[1] == [{"a": "1"}]


def test_the_end_of_the_name_says_the_format_in_either_case() -> None:
    assert read("x/A.TSV", b"a\tb,c\n1\t2\n")[1] == [{"a": "1", "b,c": "2"}]
    assert read("x/a.jsonl", b'{"a": 1}\n\n{"a": null, "b": [1]}')[1] == [{"a": 1}, {"a": None, "b": [1]}]


FAULTS = {
    "nothing": ("a.csv", b"", "found no line of names, expected one"),
    "a name twice": ("a.csv", b"a,a\n", "found the column 'a' twice, expected different names"),
    "a field too much": ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3: found 3 fields, expected 2"),
    "an open quote": ("a.csv", b'a\n"1\n', "line 2: unexpected end of data"),
    "another encoding": ("a.csv", b"a\n\xe4\n", "line 2: is not UTF-8"),
    "no JSON": ("a.jsonl", b'{"a":1}\n{a}\n', "line 2: Expecting property name enclosed in double quotes"),
    "no object": ("a.jsonl", b"[1]\n", "line 1: found no object, expected one a line"),
    "a key twice": ("a.jsonl", b'{"a":1,"a":2}\n', "line 1: a name is there twice in one object"),
    "JSON in another encoding": ("a.jsonl", b'{"a":"\xe4"}\n', "line 1: is not UTF-8"),
    "JSON that is too deep": ("a.jsonl", b"[" * 100_000, "line 1: "),
    "no table": ("a.png", b"", "a.png: found no table, expected a file that ends in .csv, .tsv, .jsonl, "),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_no_table_is_said_with_its_place(case: str) -> None:
    path, content, message = FAULTS[case]
    with pytest.raises(TableError) as refused:
        read(path, content)
    assert refused.value.message.startswith(message)


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=5)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), max_size=5))
def test_the_rows_put_together_again_are_the_file(rows: list[list[str]]) -> None:
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in rows]
    content = "".join(["a,b\n", *quoted]).encode()
    head, values, raw = read("a.csv", content)
    assert (head or b"") + b"".join(raw) == content
    assert [list(row.values()) for row in values] == rows
