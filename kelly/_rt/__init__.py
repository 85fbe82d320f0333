"""Real-time engine: the bottom layer; knows NumPy, libc and itself."""
