"""Formats of other people, read: tables."""
