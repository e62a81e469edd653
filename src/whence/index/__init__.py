"""The index: a copy of what the records say, that can be asked. It can be deleted at any time.

`interface.Index` is what may be asked of it, and the whole of what other layers know. `reading` makes of a run what an
index holds (`entry.Entry`), `feeding` finds out which runs and acts it does not have yet, and `sqlite` keeps them.
"""
