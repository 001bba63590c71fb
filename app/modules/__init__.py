"""Finding modules, their settings, groups and doctors; the Modules page."""
