"""Loads: seeded random programs, the processes that perform them, and who judges what came of it.

A *plan* is what one program asks, as a value. A *season* performs plans in many processes against a
rehearsal provider, killing some on the way, and hands everything that was seen to the judge: the
provider's books, what each process wrote down, and what is in the store.
"""
