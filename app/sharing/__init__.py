"""Live sharing beside the session, and its views."""
