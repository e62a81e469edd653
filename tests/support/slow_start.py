"""A supervisor whose command is started when something comes through a pipe, `gate`."""

SLOW_START = """
import sys
from whence.recorder import parent
sys.path.insert(0, {support!r})
import supervise
start = parent._start
def starts_late(*given):
    open({gate!r}).read()
    return start(*given)
parent._start = starts_late
sys.exit(supervise.main())
"""
