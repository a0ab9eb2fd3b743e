"""The embedded generator: puts another material on the same garment and keeps its folds, seams, shadows and highlights."""
