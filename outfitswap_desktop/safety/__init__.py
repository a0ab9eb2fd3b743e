"""The gates and the kernel: the kernel alone makes and writes a released image."""
