"""What frames every page: the rail on the left, the bar above, the bar below."""
