"""The network simulator: collectives chunk by chunk, each dimension a server of chunk phases."""
