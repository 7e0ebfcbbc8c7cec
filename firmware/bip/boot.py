"""Nothing at start: main.py is next, and a press waits for it."""
