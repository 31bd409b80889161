"""What every storage engine must do, asked through the interface alone.

`engines.py` lists the engines that are held to it. A new one is added there; nothing here knows a database.
"""
