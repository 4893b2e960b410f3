"""The course about itself: its list of lessons, its notebooks and a learner's progress."""
