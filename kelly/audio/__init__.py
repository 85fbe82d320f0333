"""Audio sources and devices."""
