"""Networks: topology, collectives in closed form, cost."""
