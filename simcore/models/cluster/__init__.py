"""The cluster study: jobs, rates, intra-job proposals, policies, and the simulator that runs a trace through them."""
