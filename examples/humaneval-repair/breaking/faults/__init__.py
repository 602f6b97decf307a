"""What people get wrong: families of single faults, each with how often it is drawn.

The families follow what studies of small mistakes in real programs count (boundaries, operators,
names, arguments, missing conditions and statements). They were written down before anything was
repaired, and know nothing of any repairer: nothing here imports the service.
"""

from breaking.faults.fault import Fault
from breaking.faults.solution import Solution
from breaking.faults.table import FAMILIES, Family

__all__ = ["FAMILIES", "Family", "Fault", "Solution"]
