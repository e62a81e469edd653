"""What runs inside the user's Python programs: notes configuration, seeds and imported sources, and changes nothing.

Any interpreter from 3.8 on loads it, with no whence installed there: the folder `site` is on PYTHONPATH, its
`sitecustomize` gives way to the user's own and loads this package under the name `_whence_boot`. So everything here
uses the standard library only, imports nothing of ours but itself, and parses on Python 3.8.

The rules (docs/design/0012-inside-python-programs.md):
- nothing happens until a library of the table (`table.py`) is imported, and nothing is imported for that;
- nothing raises, nothing is printed: each entry of ours into the user's program stands in a `guard`;
- no object of the user's lives longer because of us, and no descriptor stays open;
- what is noted goes as lines of JSON into a file of this process in the folder that `WHENCE_BOOT` names.
"""
