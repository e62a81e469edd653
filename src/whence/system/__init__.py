"""The edge to the machine: files, processes, git, /proc. Everything here may touch the world and decides nothing."""
