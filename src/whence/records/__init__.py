"""The portable format: frozen structs, one noun a module. docs/format.md is the specification that they follow."""
