"""The command line: one file a command, each parses, calls one action, prints, and returns a code.

A command's module has `parser()`, which completion and the reference page read too, and `main(words) -> int`, which
gets the words after the command's name. What goes wrong is raised; `main.py` is the one place that ends a failure.
"""
