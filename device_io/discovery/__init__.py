"""Finding modules on all links at once, and the one list of them."""
