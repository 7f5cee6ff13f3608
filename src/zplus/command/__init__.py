"""The command line: it parses, calls the package and shows what came out, and computes nothing itself."""
