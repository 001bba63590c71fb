"""Signal processing: pure functions and small stateful trackers on numpy arrays. No Qt, files or clock."""
