"""What program and activation server say to each other: messages, signed blobs, ids. Imported by both, imports neither."""
