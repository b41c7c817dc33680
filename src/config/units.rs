//! Durations and sizes as the files write them.
