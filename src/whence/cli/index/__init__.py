"""`whence index`: a module a verb."""
