"""What a job costs before it runs: full-size architectures on torch's meta device, their keys, FLOPs, and memory."""
