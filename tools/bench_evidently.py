"""Print the seconds of Evidently's drift report of two tables, its page included; run in an environment of its own."""

import sys
import time
from pathlib import Path

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

folder = Path(sys.argv[1])
reference, month = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "month"))
start = time.perf_counter()
Report([DataDriftPreset()]).run(month, reference).save_html(str(folder / "report.html"))
print(time.perf_counter() - start)
