"""Expected failures of our own API, each with its status and code; other protocols have their own forms.

Problem
+-- NothingAccepted 400 nothing_accepted     +-- DatabaseAway 503 database_unavailable
"""

from chassis.problems import Problem


class NothingAccepted(Problem):
    status, code, title = 400, "nothing_accepted", "No point of the request was valid"


class DatabaseAway(Problem):
    status, code, title = 503, "database_unavailable", "The database cannot be reached"
