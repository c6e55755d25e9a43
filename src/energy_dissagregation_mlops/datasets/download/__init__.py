"""Public data sets from their publishers: resumed, checked, unpacked, put in place in one step."""

from energy_dissagregation_mlops.datasets.download.obtain import download
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.datasets.download.sources import publications

__all__ = ["Stage", "download", "publications"]
