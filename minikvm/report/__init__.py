"""What a person reads: the report's model and schema, its text, the progress bar.

May import everything below the command line; works on the report's dict alone, so that a saved one prints the same.
"""

from minikvm.report.model import Report, report_schema, to_json
from minikvm.report.progress import ProgressUpdate, RunProgress
from minikvm.report.text import render

__all__ = ["ProgressUpdate", "Report", "RunProgress", "render", "report_schema", "to_json"]
