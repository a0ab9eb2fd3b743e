"""Measures this machine: our engines beside plain diffusers in one run, under the card's ceilings, each figure with a check."""
