"""Credits in the window: signing in, what is left, buying, taking along, and what a run costs."""
