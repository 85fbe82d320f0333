"""Pure musical domain, no input or output."""
