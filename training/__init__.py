"""How kelly's first weights are made; needs PyTorch, and nothing in kelly imports this."""
