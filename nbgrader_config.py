"""nbgrader's configuration: its directories are ours, and its grading is isolated."""

from grading import timestamps

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "recurrent-networks"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# The sources of a notebook stand beside it; learners and graders get none of them.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    "feedback",
    "*.py",
    "*.tmp",
]

# A release holds its notebooks and, beside them, these files and no others: tables are data.
c.GenerateAssignment.exporter_class = "grading.release.ReleaseExporter"
c.ReleaseExporter.files = ["checks.json", "*.csv"]

# How source notebooks and the learners' library are made.
c.Origin.source = "authoring.sources.refresh"
c.Origin.release = "authoring.exercises.refresh"
c.Origin.archive = "authoring.learner_zip.chapter"
c.Origin.library = "authoring.learner_lib.files"

# Learners' code is graded in isolation: see grading/nbgrader.py.
c.Autograde.exporter_class = "grading.nbgrader.Door"
c.GenerateFeedback.exporter_class = "grading.feedback.Page"
c.GenerateFeedback.preprocessors = ["grading.feedback.Marks", "grading.nbgrader.PlainFeedback"]
c.ZipCollectApp.extractor_plugin = "grading.lms.SafeExtractor"
c.ZipCollectApp.collector_plugin = "grading.lms.PlatformCollector"

# One file that holds no time must not cost nbgrader and formgrader the class.
timestamps.teach_nbgrader()
