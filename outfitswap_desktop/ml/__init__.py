"""The steps that need torch: detection, refinement, guard and diffusion; loaded in the engine's process, when asked for."""
