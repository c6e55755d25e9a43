"""Energy disaggregation: one home's mains power in, each appliance's power out."""

import os

__version__ = "0.1.0"

# Before ONNX Runtime is imported, which from 1.29 on sends its makers what it runs and on which device, unless it is
# told so: what is at home stays there.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
