"""Data and its loaders: the table of parameters, limits, themes, fonts, icons."""
