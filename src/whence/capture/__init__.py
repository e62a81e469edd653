"""Look at the world and return records. Nothing here writes, and nothing here knows a store."""
