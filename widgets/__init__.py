"""What is drawn: one view a file. No threads, files, network or device code."""
