"""Nothing at start: main.py is next."""
