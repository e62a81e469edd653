"""Databases that can be asked, by the scheme of their address. What asks one is loaded when it is asked."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answers import Ask

DATABASES: dict[str, tuple[str, str]] = {
    "sqlite": ("of_sqlite", "ask_sqlite"),
    "duckdb": ("of_duckdb", "ask_duckdb"),
    "postgresql": ("of_postgresql", "ask_postgresql"),
    "postgres": ("of_postgresql", "ask_postgresql"),
}
"""Module and function."""


def asker(scheme: str) -> Ask:
    """The function that asks a database of that scheme."""
    module, function = DATABASES[scheme]
    return getattr(import_module(f".{module}", __package__), function)
