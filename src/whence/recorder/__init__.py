"""Writes a run while it happens: around a command, or inside a Python process."""
