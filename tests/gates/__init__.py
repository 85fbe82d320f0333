"""The gates of the musical result, each a module that measures and a test that holds it to its number."""
