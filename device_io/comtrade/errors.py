"""What goes wrong with a file."""


class FileError(Exception):
    """One clear sentence that says what is wrong with a file and what to do."""


class ReadingStopped(FileError):
    """Whoever asked for the file does not want it any more."""

    def __init__(self) -> None:
        super().__init__("Reading was stopped before its end.")
