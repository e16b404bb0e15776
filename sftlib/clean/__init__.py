"""Any input format -> records; what cannot be one is dropped with a reason."""
