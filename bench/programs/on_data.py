"""The bytes of data sets, by the functions alone: `nothing`, `add FOLDER`, `get MANIFEST FOLDER`."""

import os
import sys
import time
from pathlib import Path

from whence.store.adding import add
from whence.store.layout import create_store
from whence.store.materialize import materialize


def main(verb: str, *rest: str) -> None:
    store = create_store(Path("kept").absolute(), now_ns=time.time_ns(), random=os.urandom(10))
    if verb == "add":
        print(add(store, Path(rest[0])).manifest)
    elif verb == "get":
        materialize(store, rest[0], Path(rest[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
