"""The one path from readings to appliances: for evaluation, prediction and serving alike."""
