"""The running system that the course builds: will this flight from New York be disrupted?"""
