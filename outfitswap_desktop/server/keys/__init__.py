"""The server's signing keys: private halves in a folder of their own, public ones in a list that the root key signs."""
