"""Steps that need no GPU and no download."""
