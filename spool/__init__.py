"""The durable queue: the only meeting place of gateway and agent. Code only; live data is in the state directory."""
