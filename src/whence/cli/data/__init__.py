"""`whence data`: datasets and their versions, one verb a module."""
