"""Data sets as they lie on disk: one folder each, one row each in ``sets.SETS``."""
