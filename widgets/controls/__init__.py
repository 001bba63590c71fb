"""The common controls: painted by themselves, so that no style sheet slows the start."""
