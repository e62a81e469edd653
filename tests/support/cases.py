"""Ways in which programs come to their files, each to be held against what it truly opened."""

from __future__ import annotations

import sys

PYTHON = [sys.executable, "-I", "-c"]

SCRIPTS = {
    "the built-in open": "open('a').read(); open('b', 'w').write('x'); open('c', 'a').write('x')",
    "os.open": "import os; os.read(os.open('a', os.O_RDONLY), 9); os.open('new', os.O_RDWR | os.O_CREAT)",
    "pathlib": "import pathlib; pathlib.Path('new').write_bytes(pathlib.Path('a').read_bytes())",
    "threads": """
import threading
threads = [threading.Thread(target=lambda n=n: [open('a').close(), open(f't{n}', 'w').close()]) for n in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
""",
    "forks": """
import os
for n in range(5):
    if os.fork() == 0:
        open('a').close(); open(f'f{n}', 'w').close(); os._exit(0)
for n in range(5):
    os.wait()
""",
    "spawn": "import os; os.waitpid(os.posix_spawn('/bin/cat', ['cat', 'a'], os.environ), 0)",
    "a changed folder": "import os; os.mkdir('d'); os.chdir('d'); open('../a').close(); open('x', 'w').close()",
    "a folder's descriptor": """
import os
os.mkdir("d"); d = os.open('d', os.O_RDONLY | os.O_DIRECTORY)
f = os.open('x', os.O_WRONLY | os.O_CREAT, dir_fd=d); os.rename('x', 'y', src_dir_fd=d, dst_dir_fd=d)
os.link('y', 'z', src_dir_fd=d, dst_dir_fd=d); os.unlink('y', dir_fd=d)
""",
    "a temporary file renamed": "import os; open('tmp', 'w').write('x'); os.replace('tmp', 'final')",
    "truncation": "import os; os.truncate('a', 1); open('b', 'r+').truncate(0)",
    "links and deletion": """
import os
os.link('a', 'h'); os.symlink('a', 's'); open('s').close(); os.unlink('h'); os.unlink('s')
""",
    "what is not there": "import os\\nfor n in 'xyz':\\n try: open(n)\\n except OSError: pass",
    "a file of a database": "import sqlite3; c = sqlite3.connect('db'); c.execute('create table t(a)'); c.commit()",
    "a mapped file": "import mmap; f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:1] = b'z'",
    "exclusive creation": "import os\\ntry: os.open('a', os.O_CREAT | os.O_EXCL | os.O_WRONLY)\\nexcept OSError: pass",
    "a nameless file": "import os; os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "raw system calls": """
import ctypes
libc = ctypes.CDLL(None)
for words in ((2, b'a', 0, 0), (257, -100, b'a', 0, 0), (85, b'n', 0o644), (82, b'n', b'm'), (87, b'm')):
    libc.syscall(*words)
import struct
libc.syscall(437, -100, b'a', struct.pack('QQQ', 0, 0, 0), 24)
""",
    "pointers that lead nowhere": """
import ctypes
libc = ctypes.CDLL(None)
for pointer in (0, 1, 0x7fffffffffff, 0xffffffffffffffff, 0x8000000000000000):
    libc.syscall(257, -100, ctypes.c_void_p(pointer), 0, 0)
libc.syscall(257, 9999, b'a', 0, 0)
libc.syscall(257, -100, b'', 0, 0)
""",
    "a program by its descriptor": "import os; os.execve(os.open('/bin/true', os.O_RDONLY), ['true'], {})",
}

SHELLS = {
    "redirections": "cat < a > b 2>> c; cat a | tee d",
    "sub-shells": "(cd d && cat ../a); sh -c 'cat a'; $(echo cat) a",
    "an empty environment": "env -i /bin/cat a",
    "a search along PATH": "PATH=/nowhere:d:/bin cat a; nope",
    "a script with an interpreter": "printf '#!/bin/sh\\ncat a\\n' > s; chmod +x s; ./s",
    "processes beside each other": "cat a & cat a & wait",
    "moving and removing": "mkdir e; cp a e/b; mv e/b e/c; ln e/c e/h; ln -s c e/s; cat e/s; rm -r e",
    "killed right after reading": "sh -c 'read x < a; kill -9 $$'",
    "many short processes": "i=0; while [ $i -lt 300 ]; do /bin/true < a; i=$((i+1)); done",
}
