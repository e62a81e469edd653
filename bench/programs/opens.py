"""`python opens.py [PROCESSES]`: microseconds that an open() costs, bare, observed, and under strace; medians of seven.

Prints a line a way: wall clock per open as the caller sees it, and what the answerer's processor time adds to it.
"""

from __future__ import annotations

ROUNDS = 7
OPENS = 4000

CALLER = """
import os, sys, time
path = sys.argv[1]
for _ in range({rounds}):
    began = time.perf_counter()
    for _ in range({opens}):
        os.close(os.open(path, os.O_RDONLY))
    print((time.perf_counter() - began) / {opens} * 1e6)
"""
