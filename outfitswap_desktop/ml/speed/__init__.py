"""Making one denoising step fast on this card: captured graphs, compiled code, the right kernels, and what each was worth."""
