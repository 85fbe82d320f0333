"""Musical state -> timed notes."""
