"""Databases that can be asked, by the scheme of their address."""

from __future__ import annotations

from .answers import Ask
from .of_duckdb import ask_duckdb
from .of_postgresql import ask_postgresql
from .of_sqlite import ask_sqlite

DATABASES: dict[str, Ask] = {
    "sqlite": ask_sqlite,
    "duckdb": ask_duckdb,
    "postgresql": ask_postgresql,
    "postgres": ask_postgresql,
}
