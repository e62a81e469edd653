"""The store on disk: layout, journals, seal, acts, objects, code snapshots, and the check of all of them."""
