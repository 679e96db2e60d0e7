"""The instructor's engine: hidden tests, isolated grading."""
