"""Sharing power quality with the community map: only with consent, only 10-minute values, only a cell as place."""
