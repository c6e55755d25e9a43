"""Energy disaggregation: one home's mains power in, each appliance's power out."""

__version__ = "0.1.0"
