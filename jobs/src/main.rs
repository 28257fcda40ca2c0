//! `inkhouse`: the binary. Everything is in the library `jobs`; here are the allocator and the exit.

use std::process::ExitCode;

/// Version 2: version 3 keeps what other threads freed, which was measured as 2.6 times the memory
/// of a build of 1,000,000 orders (1,969 MB; version 2 took 750 MB, the system's allocator 762 MB).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jobs::cli::main()
}
