"""The fallback segmenter: a bundled face cascade, body proportions and GrabCut; used when MediaPipe cannot help."""
