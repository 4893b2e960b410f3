"""The package behind the lessons: data, checks, the running system, and the course about itself."""
