"""What a person reads: the report of a run, the verdict of a check and its counterexamples; models and schemas, text, HTML, progress.

May import everything below the command line; works on dicts alone, as they are in the JSON, so that a saved one prints the same.
"""

from minikvm.report.checkprogress import CheckProgress, CheckUpdate
from minikvm.report.checktable import print_verdict
from minikvm.report.checkverdict import Verdict, read_verdict, verdict_json, verdict_of
from minikvm.report.counterexample import Schedule, read_schedule, schedule_json, schedule_of, write_schedule
from minikvm.report.drawing import print_counterexample
from minikvm.report.html import html_page, write_html
from minikvm.report.model import Report, report_schema, to_json
from minikvm.report.progress import ProgressUpdate, RunProgress
from minikvm.report.text import render

__all__ = [
    "CheckProgress",
    "CheckUpdate",
    "ProgressUpdate",
    "Report",
    "RunProgress",
    "Schedule",
    "Verdict",
    "html_page",
    "print_counterexample",
    "print_verdict",
    "read_schedule",
    "read_verdict",
    "render",
    "report_schema",
    "schedule_json",
    "schedule_of",
    "to_json",
    "verdict_json",
    "verdict_of",
    "write_html",
    "write_schedule",
]
