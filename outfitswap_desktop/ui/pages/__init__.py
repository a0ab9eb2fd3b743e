"""The pages around the work: start, first run, settings, weights, help, about, report."""
