"""The engine process: everything heavy in a child of its own, its messages, and the light client that the window holds."""
