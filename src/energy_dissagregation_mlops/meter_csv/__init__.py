"""The one reader of meters' CSVs: anyone's own file, whoever made the meter.

``MeterCsv(path or stream, Columns(...))`` finds out how a file is written and what its columns are, and
streams a column's readings in W and UTC in bounded memory. It uses numpy and the standard library
alone, and knows nothing of data sets.
"""

from energy_dissagregation_mlops.meter_csv.columns import Columns, Form, Unit
from energy_dissagregation_mlops.meter_csv.layout import Dialect, Layout, Series
from energy_dissagregation_mlops.meter_csv.reader import MeterCsv
from energy_dissagregation_mlops.meter_csv.tally import Tally

__all__ = ["Columns", "Dialect", "Form", "Layout", "MeterCsv", "Series", "Tally", "Unit"]
