"""The instructor's engine: building exercises, hidden tests, isolated grading."""
