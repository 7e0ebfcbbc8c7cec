"""SMS: text and character sets, the one segmenter, PDUs both ways, lanes, providers."""
