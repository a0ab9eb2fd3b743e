"""Which weights there are, how they come to this machine, and whether what lies here is what it should be."""
