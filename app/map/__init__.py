"""The Map page of the window."""
