"""What one can do with a store: plain functions of (store, arguments) that return values. They print nothing."""
