"""Other ways of computing what the engine computes, for `make bench`: a Mesa model and a C library."""
