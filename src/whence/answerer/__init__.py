"""Sees what a command does with files, from beside it: seccomp user notification, standard library only."""
