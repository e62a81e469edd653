"""`python -m whence`: the command line, for where its script is not on PATH."""

from .cli.main import script

script()
