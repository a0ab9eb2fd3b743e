"""What the person shall wear: words with completion, presets, pictures of garments."""
