"""What runs within a sandbox. Nothing else of ``grading`` is mounted there."""
