//! Whole runs: the real binary, real HTTP, real storage. One test binary, so that the stack is
//! linked once.

mod failures;
mod faults;
mod layout;
mod models;
mod nightly;
mod readers;
mod resume;
mod storage;
mod support;
