"""The town in driven time: box, post and bips as tasks of one process, and a real broker."""
