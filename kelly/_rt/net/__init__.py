"""A network as data: layers -> plan and arena -> executor."""
