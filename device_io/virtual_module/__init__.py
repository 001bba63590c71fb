"""A module without hardware: its mains, its chips and its serial line."""
