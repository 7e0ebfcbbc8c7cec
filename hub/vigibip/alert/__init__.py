"""The life of an alert and of an incident, and what box and post say to each other. No I/O."""
