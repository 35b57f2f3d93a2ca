"""The plan of a fleet for people: terminal text, one HTML page, one SVG picture; each a pure function."""
