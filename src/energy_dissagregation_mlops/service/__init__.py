"""HTTP over the inference path: readings in, watts of each appliance out."""
