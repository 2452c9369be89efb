"""The comparison harness: starts peers, puts the same load through each in turn, and writes what it saw."""
