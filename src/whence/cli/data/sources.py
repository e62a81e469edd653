"""What `create` and `add` share: the words that say what is taken."""

from __future__ import annotations

from typing import Any

from ...actions.dataset_sources import gather_source
from ...actions.source import Gathered, Source, check_source
from ...rules.addresses import read_parameters
from ...rules.history import History
from ...store.speaker import Speaker
from ...wiring import secrets_of
from ..arguments import CommandParser, Place
from ..output import say


def add_sources(parser: CommandParser) -> None:
    """The options that say what is taken."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a file or folder; the address of one (s3://…, https://…), or of a table (delta://…, iceberg://…)",
    )
    parser.add_argument(
        "--as", dest="below", metavar="FOLDER", help="where it goes in the dataset; of rows: the file, NAME.parquet"
    )
    parser.add_argument(
        "--reference", action="store_true", help="note the digests only; the bytes stay where they are, and only there"
    )
    parser.add_argument(
        "--tables",
        action="store_true",
        help="read every table that the store holds, however large: its schema, and the digest of its rows",
    )
    parser.add_argument("--sql", metavar="QUERY", help="freeze the rows of a query to a Parquet file, instead of files")
    parser.add_argument(
        "--from",
        dest="url",
        metavar="URL",
        help="what is asked: sqlite:///FILE, duckdb:///FILE, duckdb://, postgresql://…",
    )
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="K=V",
        help="a parameter of the query: :K in SQLite, $K in DuckDB, %%(K)s in PostgreSQL",
    )  # fmt: skip


def read_source(options: Any) -> Source:
    """What is asked for. Raises UsageError for words that do not go together."""
    source = Source(
        paths=options.paths,
        below=options.below,
        reference=options.reference,
        sql=options.sql,
        url=options.url,
        parameters=read_parameters(options.parameter),
    )
    check_source(source)
    return source


def gathered(place: Place, name: str, source: Source, author: Speaker, history: History | None = None) -> Gathered:
    """What is taken, in the store; `history` is what the dataset had before.

    Raises UsageError, SourceError, StoreError, LibraryError.
    """
    secrets = secrets_of(place.setting, place.policy)
    taken = gather_source(place.store, place.setting.cwd, name, source, secrets, author, history)
    for path in taken.left_out:
        say(f"{path}: left out, as it is no data; named itself it is taken")
    return taken
