"""Diffusion engines of the families sd15 and sdxl: an own denoising loop around diffusers' modules."""
