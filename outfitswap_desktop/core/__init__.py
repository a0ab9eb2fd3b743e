"""The words and the arithmetic: numpy, Pillow and OpenCV only; no Qt, torch, network or database."""
