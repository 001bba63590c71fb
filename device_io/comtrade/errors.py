"""What goes wrong with a file."""


class FileError(Exception):
    """One clear sentence that says what is wrong with a file and what to do."""
