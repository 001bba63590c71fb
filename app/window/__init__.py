"""The window: frame, session, menus, pages."""
