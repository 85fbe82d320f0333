"""Session: the parts put together."""
