"""What goes wrong on purpose in a running lab, and the way back from each.

A fault is written into the lab's folder before it is made and struck out after it is healed, so it is known
after a kill at any moment. Nothing here is asked by the rooms that set clusters up.
"""
