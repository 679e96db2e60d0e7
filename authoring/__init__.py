"""From sources to releases: notebooks, checks, the learner's library, proofs of the tests."""
