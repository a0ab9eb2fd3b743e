"""What may be asked for in words: a closed vocabulary, then deny lists on normal forms."""
