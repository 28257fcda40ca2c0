//! Whole runs: the real binary, real HTTP, real storage. One test binary, so that the stack is
//! linked once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "clippy's exemptions for tests cover modules marked cfg(test), and this is one as a whole"
)]

mod cli;
mod failures;
mod faults;
mod killed_builds;
mod layout;
mod lineage;
mod models;
mod nightly;
mod readers;
mod releases;
mod resume;
mod saved_answers;
mod serve;
mod storage;
mod support;
