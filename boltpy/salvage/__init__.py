"""Takes what is left out of a damaged file. `recovery` is the way in; nothing of boltpy depends on these modules.

No number of the file is believed. Each is used only where others agree with it, and what that costs is bounded by the
length of the file: no page is looked at more than a few times, and no value is read that the file cannot hold.
"""
