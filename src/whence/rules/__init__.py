"""Pure decisions: no clock, file, process or network. Bytes, times and identifiers come in, values go out."""
