"""Persons, garment zones and protected areas of one photo, found with MediaPipe's bundled weights and classical vision."""
