"""Links, protocols, files and the virtual module. No Qt."""
