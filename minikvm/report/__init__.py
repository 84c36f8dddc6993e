"""What a person reads: the report's model and schema, its text, the progress bar."""

from minikvm.report.model import Report, report_schema, to_json
from minikvm.report.progress import ProgressUpdate, RunProgress
from minikvm.report.text import render

__all__ = ["ProgressUpdate", "Report", "RunProgress", "render", "report_schema", "to_json"]
